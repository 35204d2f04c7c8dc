import type { FollowState } from './sql/find-follow-states.ts';

/** Port of whoever shows trips to followers: a broker, the event stream. */
export type FollowStates = {
  /** Looks up trips, many at once. Unknown ones are left out. */
  find(tripIds: readonly string[]): Promise<readonly FollowState[]>;
  /** Whoever comes now may have missed statuses because of a restart. */
  afterRestart(): boolean;
};
