import { BoundedMap } from '../../shared/bounded-map.ts';
import type { MqttLimits } from '../../shared/config/mqtt-limits.ts';
import type { Logger } from '../../shared/telemetry/log.ts';
import { Meter } from './meter.ts';

/** Of so many the failures are remembered (twice, at most): as many as OpenSSH remembers (PerSourcePenalties, max-sources). */
const REMEMBERED = 65_536;

type Known = { failures: Meter; heldUntil: number };

/**
 * Failures by address. An address is held off for what does not end in a login, and for that alone: a fleet behind one address may log
 * in as often as it likes. It may fail so often a minute for each client that is logged in from it, and once more for itself: the more
 * people there are behind an address, the more fail, and the more would be held off with one that attacks.
 */
export class Addresses {
  private readonly known = new BoundedMap<Known>(REMEMBERED);
  private readonly loggedIn = new Map<string, number>();
  private readonly limits: Pick<MqttLimits, 'failuresPerMinute' | 'addressHoldOffMs'>;
  private readonly log: Logger;

  constructor(limits: Pick<MqttLimits, 'failuresPerMinute' | 'addressHoldOffMs'>, log: Logger) {
    this.limits = limits;
    this.log = log;
  }

  isHeldOff(key: string, now: number): boolean {
    const known = this.known.get(key);
    return known !== undefined && now < known.heldUntil;
  }

  /** A connection ended without a login, or its login was refused. */
  failed(key: string, now: number): void {
    const { failuresPerMinute, addressHoldOffMs } = this.limits;
    if (failuresPerMinute === 0) return;
    const known = this.known.get(key) ?? { failures: new Meter(), heldUntil: 0 };
    this.known.set(key, known);
    // Those that were under way when it began
    if (now < known.heldUntil) return;
    const clients = this.loggedIn.get(key) ?? 0;
    if (!known.failures.add(now, failuresPerMinute * (1 + clients))) return;
    known.heldUntil = now + addressHoldOffMs;
    known.failures.empty();
    this.log.warn(
      { address: key, clients, holdOffMs: addressHoldOffMs },
      'too many connections without a login: this address is held off',
    );
  }

  opened(key: string): void {
    this.loggedIn.set(key, (this.loggedIn.get(key) ?? 0) + 1);
  }

  closed(key: string): void {
    const left = (this.loggedIn.get(key) ?? 0) - 1;
    if (left > 0) this.loggedIn.set(key, left);
    else this.loggedIn.delete(key);
  }
}
