import { ARCHIVE_LOCK } from '../../shared/archive/lock.ts';
import type { Locks } from '../../shared/database/index.ts';
import type { WritePositions } from '../../shared/position-log/group-commit.ts';
import { mayBeGone } from '../partitions.ts';

/**
 * Positions that were admitted long ago and come out of an outage now, so that their day may be on its way out, are written while nobody
 * archives: else one could get into a partition after it was read and go with it. Its day comes back for them, and goes into the archive
 * again with what is there.
 */
export function keepOutOfArchiving(
  write: WritePositions,
  locks: Locks,
  historyRetentionDays: number,
): WritePositions {
  return (positions) => {
    const now = Date.now();
    return positions.some(({ recordedAt }) => mayBeGone(recordedAt, historyRetentionDays, now))
      ? locks.alone(ARCHIVE_LOCK, () => write(positions))
      : write(positions);
  };
}
