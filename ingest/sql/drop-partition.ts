import type { Session } from '../../shared/database/index.ts';

/** ms. Whoever reads or writes the history waits behind us while we wait for those before us. */
const LOCK_TIMEOUT_MS = 1000;

/**
 * Detaches and drops a partition, in one: a table that was only detached would be reached by no erasure. Takes a moment, in which nobody
 * may be reading the history.
 * @throws 55P03 where somebody has been reading for longer than can be waited for
 */
export async function dropPartition(session: Session, table: string): Promise<void> {
  await session.tx(async (transaction) => {
    await transaction.none(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await transaction.none('lock table only location_history in access exclusive mode');
    await transaction.none('alter table location_history detach partition $(table:name)', { table });
    await transaction.none('drop table $(table:name)', { table });
  });
}
