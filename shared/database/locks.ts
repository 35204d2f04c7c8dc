import { setTimeout as sleep } from 'node:timers/promises';
import { KeyedQueue } from '../trips/keyed-queue.ts';
import type { Locks, Queries, Session } from './index.ts';
import { advisoryUnlock, tryAdvisoryLock } from './sql/advisory-lock.ts';

const RETRY_MS = 250;

/** For a database that this process has for itself: held over its only connection, a lock would let nobody else through. */
export function createProcessLocks(queries: Queries): Locks {
  const queue = new KeyedQueue();
  const alone: Locks['alone'] = (lock, work) => queue.run(String(lock), () => work(queries));
  return {
    alone,
    ifFree: async (lock, work) =>
      queue.isBusy(String(lock)) ? undefined : { done: await alone(lock, work) },
  };
}

async function unlockAfter<T>(session: Session, lock: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await advisoryUnlock(session, lock);
  }
}

/**
 * For a server: an advisory lock of a session, which goes when its process dies. Those of one process queue up before it, so that no
 * more than one of its connections waits.
 */
export function createAdvisoryLocks(queries: Queries): Locks {
  const queue = new KeyedQueue();
  return {
    alone: (lock, work) =>
      queue.run(String(lock), () =>
        queries.task(async (session) => {
          while (!(await tryAdvisoryLock(session, lock))) await sleep(RETRY_MS);
          return unlockAfter(session, lock, () => work(session));
        }),
      ),
    async ifFree(lock, work) {
      if (queue.isBusy(String(lock))) return undefined;
      return queue.run(String(lock), () =>
        queries.task(async (session) => {
          if (!(await tryAdvisoryLock(session, lock))) return undefined;
          return { done: await unlockAfter(session, lock, () => work(session)) };
        }),
      );
    },
  };
}
