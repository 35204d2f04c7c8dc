import type { LoggedPosition } from '../position-log/index.ts';
import type { ActiveTrip } from './active-trips.ts';
import type { Trip } from './trip.ts';

/**
 * Port: what processes that share a log tell each other of drivers on trips. One process alone keeps it in memory (active-trips.ts,
 * position-feed.ts).
 */
export type SharedDriverTrips = {
  /** A trip has changed: the next position of its driver is decided on with that. */
  apply(trip: Trip): Promise<unknown>;
  /** The trip that a driver is on, and its newest position. undefined: none. */
  current(driverId: string): Promise<{ trip: ActiveTrip; position: LoggedPosition | undefined } | undefined>;
};
