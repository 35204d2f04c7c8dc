import { publishDriverStatus } from '../messages/driver-status.ts';
import type { PresenceOptions } from './presence.ts';
import type { Answer, SharedRecords } from './shared-records.ts';

/** What is under way of a driver: one run at a time, and at most one that waits for it, with the newest of what came meanwhile. */
type Lane = { newest: Answer; told: number; running: Promise<void>; following: Promise<void> | undefined };

/**
 * Stores what drivers count as, and tells it: in the order of the versions, over all processes. What fails stays untold in Redis, and
 * is tried again by whoever is alive.
 */
export class Teller {
  private readonly lanes = new Map<string, Lane>();
  private readonly records: SharedRecords;
  private readonly options: Pick<PresenceOptions, 'save' | 'publisher' | 'log'>;

  constructor(records: SharedRecords, options: Pick<PresenceOptions, 'save' | 'publisher' | 'log'>) {
    this.records = records;
    this.options = options;
  }

  /** Drivers of whom something is being told. */
  get busy(): number {
    return this.lanes.size;
  }

  /** Settles when this version, or a newer one, is stored, and told if that is for this process to do. */
  tell(answer: Answer): Promise<void> {
    const lane = this.lanes.get(answer.driverId);
    if (lane === undefined) {
      const fresh: Lane = { newest: answer, told: 0, running: Promise.resolve(), following: undefined };
      this.lanes.set(answer.driverId, fresh);
      fresh.running = this.run(fresh);
      return fresh.running;
    }
    if (answer.version > lane.newest.version) lane.newest = answer;
    const follow = () => {
      lane.following = undefined;
      lane.running = this.run(lane);
      return lane.running;
    };
    lane.following ??= lane.running.then(follow, follow);
    return lane.following;
  }

  isTelling(driverId: string): boolean {
    return this.lanes.has(driverId);
  }

  /** Left to another process, or to a later sweep; `now`: to the next one. */
  async leave(driverId: string, now = false): Promise<void> {
    await this.records.one({ e: 'unclaim', d: driverId, now }).catch((error: unknown) =>
      // Then its time runs out
      this.options.log.debug({ err: error, driverId }, 'Redis was not told that a status is left to others'),
    );
  }

  private async run(lane: Lane): Promise<void> {
    const { driverId } = lane.newest;
    try {
      if (lane.newest.version > lane.told) await this.tellNewest(lane);
    } catch (error) {
      await this.leave(driverId);
      throw error;
    } finally {
      if (lane.following === undefined) this.lanes.delete(driverId);
    }
  }

  private async tellNewest(lane: Lane): Promise<void> {
    let answer: Answer | undefined = lane.newest;
    while (answer !== undefined) {
      const { driverId, status, at, messageAt, version }: Answer = answer;
      if (!answer.isStored) await this.options.save(driverId, status, at);
      if (!answer.isMine) {
        // Another process tells it, and then whatever is newest; or it is told already
        answer = await this.records.one({ e: 'claim', d: driverId }).catch(() => undefined);
        continue;
      }
      await publishDriverStatus(this.options.publisher, driverId, status, messageAt);
      lane.told = version;
      answer = await this.records.one({ e: 'told', d: driverId, v: version }).catch((error: unknown) => {
        this.options.log.debug({ err: error, driverId }, 'a status was told, and will be told again');
        return undefined;
      });
    }
  }
}
