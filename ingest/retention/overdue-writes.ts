import { ARCHIVE_LOCK } from '../../shared/archive/lock.ts';
import type { Locks } from '../../shared/database/index.ts';
import type { WritePositions } from '../../shared/position-log/group-commit.ts';
import { mayBeGone } from '../partitions.ts';

/**
 * Positions that were admitted long ago and come out of an outage now, so that their day may be on its way out, are written while nobody
 * archives: else one could get into a partition after it was read and go with it. Until then they are refused, and tried again like in any
 * outage. Their day comes back for them, and goes into the archive again with what is there.
 */
export function keepOutOfArchiving(
  write: WritePositions,
  locks: Locks,
  historyRetentionDays: number,
): WritePositions {
  return async (positions) => {
    const now = Date.now();
    if (!positions.some(({ recordedAt }) => mayBeGone(recordedAt, historyRetentionDays, now)))
      return write(positions);
    const turn = await locks.ifFree(ARCHIVE_LOCK, () => write(positions));
    if (turn === undefined) throw new Error('positions of days long past wait while one is archived');
    return turn.done;
  };
}
