import type { Queries } from '../shared/database/index.ts';
import type { Publisher } from '../shared/messages/publisher.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import { topicFor } from '../shared/topics.ts';
import { pruneOutbox } from './sql/prune-outbox.ts';
import { markPublished, type OutboxRow, takeOutbox, tryRelayLock } from './sql/take-outbox.ts';

const BATCH = 100;
/** Another relay has the lock: it may have looked before our row was there. */
const LOCKED_RETRY_MS = 25;
/** Whoever commits says so at once; this is for what nobody said: a process that died in between. */
const CHECK_EVERY_MS = 1000;
const PRUNE_EVERY_MS = 60_000;
/** Long enough for everybody to come back after a restart. */
const KEEP_MS = 600_000;
const FAILED_RETRY_MS = 500;

/** What has to be done before changes of these trips are published. */
export type Prepare = (tripIds: readonly string[]) => Promise<void>;

/**
 * Publishes committed changes of trips: in the order of their commits, at least once. A row is marked after its message has
 * gone out, so a crash in between publishes it again. Several relays take turns by a lock.
 */
export class OutboxRelay {
  private running = false;
  private again = false;
  private stopped = false;
  private current: Promise<void> = Promise.resolve();
  private readonly timers: NodeJS.Timeout[];
  private readonly queries: Queries;
  private readonly publisher: Publisher;
  private readonly log: Logger;
  private readonly prepare: Prepare;

  constructor(queries: Queries, publisher: Publisher, log: Logger, prepare: Prepare = async () => undefined) {
    this.queries = queries;
    this.publisher = publisher;
    this.log = log;
    this.prepare = prepare;
    this.timers = [
      setInterval(() => this.wake(), CHECK_EVERY_MS),
      setInterval(() => this.prune(), PRUNE_EVERY_MS),
    ];
    this.wake();
  }

  /** Something has been committed. */
  wake(): void {
    this.again = true;
    if (!this.running && !this.stopped) this.current = this.run();
  }

  /** Publishes what has been committed so far, if it can be done now; what can't is left to the next start. */
  async stop(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    // Before anything is waited for: while the database is away, what runs now tries again without end
    this.stopped = true;
    await this.current;
    this.again = true;
    await this.run();
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.again) {
      this.again = false;
      const wait = await this.relay();
      if (wait === 0 || this.stopped) continue;
      await new Promise((resolve) => setTimeout(resolve, wait));
      this.again = true;
    }
    this.running = false;
  }

  /** @returns how long to wait before the next try (ms); 0: nothing is left to do */
  private async relay(): Promise<number> {
    try {
      return await this.queries.tx(async (transaction) => {
        if (!(await tryRelayLock(transaction))) return LOCKED_RETRY_MS;
        const rows = await takeOutbox(transaction, BATCH);
        if (rows.length === 0) return 0;
        await this.prepare([...new Set(rows.map(({ message }) => message.tripId))]);
        for (const row of rows) await this.publish(row);
        await markPublished(
          transaction,
          rows.map(({ id }) => id),
        );
        if (rows.length === BATCH) this.again = true;
        return 0;
      });
    } catch (error) {
      this.log.warn({ err: error }, 'trip changes could not be published; trying again');
      return FAILED_RETRY_MS;
    }
  }

  /** To the trip's followers, its rider and its driver. */
  private async publish({ rider_id, driver_id, message }: OutboxRow): Promise<void> {
    const payload = Buffer.from(JSON.stringify(message));
    const topics = [topicFor('tripStatus', message.tripId), topicFor('riderTrips', rider_id)];
    if (driver_id !== null) topics.push(topicFor('driverTrips', driver_id));
    for (const topic of topics) await this.publisher.notify({ topic, payload });
  }

  private prune(): void {
    pruneOutbox(this.queries, Date.now() - KEEP_MS).catch((error: unknown) =>
      this.log.warn({ err: error }, 'old trip messages could not be pruned'),
    );
  }
}
