import type { RedisConnection } from '../redis/connection.ts';
import type { RedisConnections } from '../redis/connections.ts';
import type { Logger } from '../telemetry/log.ts';
import type { StoredPresence } from './presence.ts';
import type { SharedRecords, Step } from './shared-records.ts';
import type { Teller } from './teller.ts';

/** Longest that one process keeps the restoring to itself. */
const RESTORING_MS = 60_000;
/** Statuses that are told again at the same time. */
const AT_ONCE = 50;

/** Gives a Redis that knows of no driver what the database has. Whoever has told of itself since is left as it is. */
export class Restorer {
  private readonly redis: RedisConnections;
  private readonly connection: RedisConnection;
  private readonly records: SharedRecords;
  private readonly teller: Teller;
  private readonly options: { stored(): Promise<readonly StoredPresence[]>; log: Logger };

  constructor(
    redis: RedisConnections,
    records: SharedRecords,
    teller: Teller,
    options: { stored(): Promise<readonly StoredPresence[]>; log: Logger },
  ) {
    this.redis = redis;
    this.connection = records.connection;
    this.records = records;
    this.teller = teller;
    this.options = options;
  }

  /** Resolves when Redis has it all, or somebody else sees to that, or the database is away: then it is tried again. */
  async restoreIfEmpty(): Promise<void> {
    const [done, lock] = [this.redis.key('presence-restored'), this.redis.key('presence-restoring')];
    if ((await this.connection.exists(done)) === 1) return;
    if ((await this.connection.set(lock, '1', 'PX', RESTORING_MS, 'NX')) === null) return;
    try {
      const stored = await this.options.stored().catch((error: unknown) => {
        this.options.log.warn({ err: error }, 'what drivers counted as could not be read; trying again');
        return undefined;
      });
      if (stored === undefined) return;
      await this.restore(stored);
      await this.connection.set(done, '1');
      this.options.log.info({ drivers: stored.length }, 'presence restored');
    } finally {
      await this.connection.del(lock);
    }
  }

  private async restore(stored: readonly StoredPresence[]): Promise<void> {
    const now = Date.now();
    const steps = stored.map(
      ({ driverId, status, at, seenAt, onTrip }): Step => ({
        e: 'restore',
        d: driverId,
        r: status,
        t: onTrip,
        at,
        s: Math.max(0, now - seenAt),
      }),
    );
    for (let from = 0; from < steps.length; from += AT_ONCE) {
      const answers = await this.records.many(steps.slice(from, from + AT_ONCE));
      await Promise.all(
        answers
          .filter(({ isMine }) => isMine)
          .map((answer) =>
            this.teller
              .tell(answer)
              .catch((error: unknown) =>
                this.options.log.warn(
                  { err: error, driverId: answer.driverId },
                  "a driver's status could not be told again; trying again",
                ),
              ),
          ),
      );
    }
  }
}
