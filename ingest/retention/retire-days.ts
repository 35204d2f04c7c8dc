import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { removeUnfinished } from '../../shared/archive/files.ts';
import { ARCHIVE_LOCK } from '../../shared/archive/lock.ts';
import type { Locks, Queries, Session } from '../../shared/database/index.ts';
import type { Logger } from '../../shared/telemetry/log.ts';
import type { Metrics } from '../../shared/telemetry/metrics.ts';
import { isOverdue } from '../partitions.ts';
import { dayOfPartition } from '../sql/create-partition.ts';
import { databaseTime } from '../sql/database-time.ts';
import { dropPartition } from '../sql/drop-partition.ts';
import { listPartitions } from '../sql/list-partitions.ts';
import { archiveDay } from './archive-day.ts';
import { prune } from './prune.ts';

export type RetentionOptions = {
  queries: Queries;
  locks: Locks;
  historyRetentionDays: number;
  /** undefined: days are dropped only. */
  archiveDir: string | undefined;
  metrics: Pick<Metrics, 'retentionDropped' | 'retentionFailures' | 'partitions'>;
  log: Logger;
};

/** Longer than others take to look whether the lock is free: erasures, and positions that are late, get their turn between two days. */
const BETWEEN_DAYS_MS = 2500;
/** Readers come and go; a dump of the database stays for hours. */
const DROP_ATTEMPTS = 3;
const DROP_RETRY_MS = 2000;
const LOCK_NOT_AVAILABLE = '55P03';

/**
 * Takes the days out of location_history that nothing can be added to any more: archived, where there is a folder for it, and dropped. One
 * process at a time does. A day goes only after its whole archive is in its place on the disk; where anything fails it stays, which is
 * told, and the other days go on. Then forgets what else is not kept for ever.
 * @returns false: another process is at it
 */
export async function retireDays(options: RetentionOptions, signal: AbortSignal): Promise<boolean> {
  const { queries, historyRetentionDays, metrics, log } = options;
  try {
    // By the clock that is behind: one that is ahead would take away what is still to be kept
    const now = Math.min(Date.now(), await databaseTime(queries));
    const isDone = await new Retiring(options, signal).retire(now);
    metrics.partitions.set((await listPartitions(queries)).size);
    const pruned = await prune(queries, historyRetentionDays, now, signal);
    if (Object.values(pruned).some((rows) => rows > 0)) log.info(pruned, 'old rows pruned');
    return isDone;
  } catch (error) {
    if (signal.aborted) return true;
    metrics.retentionFailures.inc();
    log.warn({ err: error }, 'old days could not be looked for; trying again later');
    return true;
  }
}

class Retiring {
  private readonly options: RetentionOptions;
  private readonly signal: AbortSignal;

  constructor(options: RetentionOptions, signal: AbortSignal) {
    this.options = options;
    this.signal = signal;
  }

  async retire(now: number): Promise<boolean> {
    const { queries, locks, historyRetentionDays } = this.options;
    const overdue = [...(await listPartitions(queries))].sort().flatMap((table) => {
      const day = dayOfPartition(table);
      return day !== undefined && isOverdue(day, historyRetentionDays, now) ? [{ table, day }] : [];
    });
    for (const [index, { table, day }] of overdue.entries()) {
      if (index > 0) await sleep(BETWEEN_DAYS_MS, undefined, { signal: this.signal });
      this.signal.throwIfAborted();
      try {
        const turn = await locks.ifFree(ARCHIVE_LOCK, (session) => this.retireDay(session, table, day));
        if (turn === undefined) return false;
      } catch (error) {
        this.signal.throwIfAborted();
        this.failed(table, error);
      }
    }
    return true;
  }

  private failed(partition: string, error: unknown): void {
    this.options.metrics.retentionFailures.inc();
    this.options.log.error(
      { err: error, partition },
      'a day could not be archived and dropped, and stays; trying again later',
    );
  }

  private async retireDay(session: Session, table: string, day: number): Promise<void> {
    const { archiveDir, metrics, log } = this.options;
    // Another process may have been quicker
    if (!(await listPartitions(session)).has(table)) return;
    let archived: number | undefined;
    if (archiveDir !== undefined) {
      await mkdir(archiveDir, { recursive: true, mode: 0o700 });
      await removeUnfinished(archiveDir);
      archived = await archiveDay(archiveDir, day, { session, table, signal: this.signal });
    }
    await this.drop(session, table);
    metrics.retentionDropped.inc();
    log.info({ partition: table, archived }, 'a day is over and was dropped');
  }

  private async drop(session: Session, table: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await dropPartition(session, table);
      } catch (error) {
        if ((error as { code?: unknown }).code !== LOCK_NOT_AVAILABLE || attempt === DROP_ATTEMPTS)
          throw error;
        await sleep(DROP_RETRY_MS, undefined, { signal: this.signal });
      }
    }
  }
}
