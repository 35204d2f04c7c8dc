import { setTimeout as sleep } from 'node:timers/promises';
import type { Queries } from '../../database/index.ts';

/** Any constant that no other advisory lock of ours has. */
const ARCHIVE_LOCK = 7_226_202;
const RETRY_MS = 250;

/**
 * Keeps every other process from writing archives meanwhile. Of the session, not of a transaction: rewriting takes minutes where days are
 * large, and the embedded database, which runs one transaction at a time, would stand still.
 */
export function withArchiveLock<T>(queries: Queries, work: () => Promise<T>): Promise<T> {
  return queries.task(async (session) => {
    const take = () =>
      session.one<{ locked: boolean }>('select pg_try_advisory_lock($(lock)) as locked', {
        lock: ARCHIVE_LOCK,
      });
    while (!(await take()).locked) await sleep(RETRY_MS);
    try {
      return await work();
    } finally {
      await session.one('select pg_advisory_unlock($(lock))', { lock: ARCHIVE_LOCK });
    }
  });
}
