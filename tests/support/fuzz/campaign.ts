import { type Ports, token } from '../platform.ts';
import { attack, type Target } from './attack.ts';
import type { FuzzUser, Victim } from './corpus.ts';
import { Tally } from './tally.ts';

/** How many of each are there to be. Whoever may see every driver is sent what all the others publish: two are enough. */
const CREW = { DRIVER: 60, RIDER: 40, VIEWER: 10, OPERATOR: 2 } as const;

const CONNECTIONS_AT_ONCE = 40;

/** Tells the seeds of two connections apart. */
const STEP = 1_000_003;

/** Connection after connection, many at once, from users with good tokens: see `attack`. */
export class FuzzCampaign {
  readonly tally = new Tally();
  /** Those that may publish positions, of themselves alone. */
  readonly drivers: readonly string[];
  private readonly seed: number;
  private readonly target: Target;
  private begun = 0;
  private tookMs = 0;

  private constructor(seed: number, ports: Ports, victim: Victim, users: readonly FuzzUser[]) {
    this.seed = seed;
    this.target = { ports, victim, users };
    this.drivers = users.filter(({ role }) => role === 'DRIVER').map(({ sub }) => sub);
  }

  static async plan(seed: number, ports: Ports, victim: Victim): Promise<FuzzCampaign> {
    const users = (Object.keys(CREW) as (keyof typeof CREW)[]).flatMap((role) =>
      Array.from({ length: CREW[role] }, async (_, index) => {
        const sub = `fuzz-${role.toLowerCase()}-${index}`;
        const trips = role === 'VIEWER' ? { trips: [`fuzz-${index}`] } : {};
        return { role, sub, token: await token(role, sub, trips) };
      }),
    );
    return new FuzzCampaign(seed, ports, victim, await Promise.all(users));
  }

  /** Until so many packets were written, with those of the runs before. */
  async run(packets: number): Promise<void> {
    const start = Date.now();
    const keepOn = async () => {
      while (this.tally.packets < packets)
        await attack(this.seed * STEP + this.begun++, this.target, this.tally);
    };
    await Promise.all(Array.from({ length: CONNECTIONS_AT_ONCE }, keepOn));
    this.tookMs += Date.now() - start;
  }

  summary(): string {
    const { packets } = this.tally;
    return `Fuzzer, seed ${this.seed}: ${packets} packets in ${(this.tookMs / 1000).toFixed(1)} s: ${this.tally}`;
  }
}
