import type { Session } from '../index.ts';

/** A lock of the session, which may have it more than once. @returns false: another session has it */
export async function tryAdvisoryLock(session: Session, lock: number): Promise<boolean> {
  const { locked } = await session.one<{ locked: boolean }>(
    'select pg_try_advisory_lock($(lock)) as locked',
    {
      lock,
    },
  );
  return locked;
}

export async function advisoryUnlock(session: Session, lock: number): Promise<void> {
  await session.one('select pg_advisory_unlock($(lock))', { lock });
}
