import type { Queries } from '../shared/database/index.ts';
import { DAY_MS } from '../shared/schemas/time.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import { createPartition, partitionName } from './sql/create-partition.ts';
import { listPartitions } from './sql/list-partitions.ts';

/** Two days ahead: one whole day in which a failing job is noticed before a position has no place. */
const DAYS_AHEAD = 2;
const CHECK_EVERY_MS = 3_600_000;

/**
 * So long (ms) a day is kept after the last instant at which a position of it could be admitted: for what is on its way, and for clocks of
 * hosts that do not agree.
 */
const LAST_ARRIVALS_MS = 3_600_000;

/** Is the day that begins at `day` over for good: has nothing that could be admitted at `now` been recorded in it? */
export const isOverdue = (day: number, retentionDays: number, now: number) =>
  day + (1 + retentionDays) * DAY_MS + LAST_ARRIVALS_MS <= now;

/** When the first day began that a position can be admitted for at `now`: no day before it need be whole. */
export const firstDayKept = (retentionDays: number, now: number) =>
  Math.floor((now - retentionDays * DAY_MS) / DAY_MS) * DAY_MS;

/** May the day of this instant be on its way out, or gone? Sooner than it is by anybody's clock. */
export const mayBeGone = (time: number, retentionDays: number, now: number) =>
  isOverdue(Math.floor(time / DAY_MS) * DAY_MS, retentionDays, now + LAST_ARRIVALS_MS / 2);

/** Makes every partition that an acceptable position can fall into: the days that are kept, today, and those ahead. */
export async function ensurePartitions(
  queries: Queries,
  retentionDays: number,
  now: number,
): Promise<string[]> {
  const existing = await listPartitions(queries);
  const made: string[] = [];
  for (let day = -retentionDays; day <= DAYS_AHEAD; day++) {
    const time = now + day * DAY_MS;
    if (existing.has(partitionName(time))) continue;
    await createPartition(queries, time);
    made.push(partitionName(time));
  }
  return made;
}

/** Makes the partitions now and keeps making them; the returned function ends it. */
export async function keepPartitionsAhead(
  queries: Queries,
  retentionDays: number,
  log: Logger,
): Promise<() => void> {
  await ensurePartitions(queries, retentionDays, Date.now());
  const timer = setInterval(() => {
    ensurePartitions(queries, retentionDays, Date.now()).then(
      (made) => made.length > 0 && log.info({ partitions: made }, 'partitions made'),
      (error: unknown) =>
        log.error({ err: error }, 'partitions could not be made ahead; trying again in an hour'),
    );
  }, CHECK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
