import type { TripStatus } from './trips.ts';

export type TransitionTable = Record<TripStatus, readonly TripStatus[]>;

/** SPEC section 7, by hand: where a trip's own driver may move it to. */
export const byDriver: TransitionTable = {
  PENDING: ['EN_ROUTE', 'CANCELLED'],
  EN_ROUTE: ['ARRIVED', 'CANCELLED'],
  ARRIVED: ['IN_PROGRESS', 'CANCELLED'],
  IN_PROGRESS: ['COMPLETED'],
  COMPLETED: [],
  CANCELLED: [],
};

/** And OPERATOR and SERVICE. */
export const byStaff: TransitionTable = { ...byDriver, IN_PROGRESS: ['COMPLETED', 'CANCELLED'] };
