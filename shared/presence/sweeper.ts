import { untilReady } from '../redis/connection.ts';
import type { RedisConnections } from '../redis/connections.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Restorer } from './restorer.ts';
import type { SharedRecords } from './shared-records.ts';
import type { Teller } from './teller.ts';

export type SweeperOptions = {
  redis: RedisConnections;
  records: SharedRecords;
  teller: Teller;
  restorer: Restorer;
  everyMs: number;
  log: Logger;
};

/** Statuses that a process tells at a time before it leaves those that a sweep finds to others: the database is away, or slow. */
const MAX_BUSY = 500;
const READY_WITHIN_MS = 2000;

/**
 * Looks for what is over, whoever began it: leases of processes that died, grace times, drivers that have gone stale, statuses that
 * nobody has told. One process at a time does, whichever comes first.
 */
export class Sweeper {
  private readonly options: SweeperOptions;

  constructor(options: SweeperOptions) {
    this.options = options;
  }

  /** Redis answers, and has what the database has. */
  async ready(): Promise<void> {
    const { records, restorer } = this.options;
    await untilReady(records.connection, READY_WITHIN_MS);
    await restorer.restoreIfEmpty();
  }

  async sweep(): Promise<void> {
    const { redis, records, restorer, everyMs } = this.options;
    const lock = redis.key('presence-sweeper');
    if ((await records.connection.set(lock, '1', 'PX', Math.ceil(everyMs * 0.9), 'NX')) === null) return;
    await restorer.restoreIfEmpty();
    for (const answer of await records.sweep()) if (answer.isMine) this.tell(answer);
  }

  private tell(answer: Parameters<Teller['tell']>[0]): void {
    const { teller, log } = this.options;
    // What this process has not told in all that time it hangs in
    const isStuck = teller.isTelling(answer.driverId);
    const isFree = !isStuck && teller.busy < MAX_BUSY;
    const work = isFree ? teller.tell(answer) : teller.leave(answer.driverId, isStuck);
    work.catch((error: unknown) =>
      log.warn(
        { err: error, driverId: answer.driverId },
        "a driver's status could not be stored; trying again",
      ),
    );
  }
}
