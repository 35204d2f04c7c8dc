import type { FollowState } from './sql/find-follow-states.ts';
import type { KnownVersion } from './sql/status-messages-since.ts';
import type { TripStatusMessage } from './trip.ts';

/** Port of whoever shows trips to followers: a broker, the event stream. */
export type FollowStates = {
  /** Looks up trips, many at once. Unknown ones are left out. */
  find(tripIds: readonly string[]): Promise<readonly FollowState[]>;
  /** Every status message of these trips after the versions that are known, those of one trip in order. */
  since(known: readonly KnownVersion[]): Promise<readonly TripStatusMessage[]>;
  /** Whoever comes now may have missed statuses because of a restart. */
  afterRestart(): boolean;
};
