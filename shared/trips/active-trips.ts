import type { Point } from '../geo.ts';
import { isActive, type TripStatus } from './status.ts';
import type { Trip } from './trip.ts';

/** What has to be known of a trip for each position of its driver. */
export type ActiveTrip = {
  id: string;
  driverId: string;
  riderId: string;
  status: TripStatus;
  version: number;
  pickup: Point;
  dropoff: Point;
  /** Epoch ms. */
  enRouteAt: number;
  startedAt: number | null;
};

const epoch = (time: string | null) => (time === null ? null : Date.parse(time));

/** undefined: the trip is not under way. */
export function activeTripOf(trip: Trip): ActiveTrip | undefined {
  if (trip.driverId === null || !isActive(trip.status)) return undefined;
  return {
    id: trip.id,
    driverId: trip.driverId,
    riderId: trip.riderId,
    status: trip.status,
    version: trip.version,
    pickup: trip.pickup,
    dropoff: trip.dropoff,
    enRouteAt: epoch(trip.enRouteAt) ?? 0,
    startedAt: epoch(trip.startedAt),
  };
}

/** Which trip each driver is on, in memory: a position must not cost a query. Told of every change by the store. */
export class ActiveTrips {
  private readonly byDriver = new Map<string, ActiveTrip>();

  constructor(trips: readonly Trip[] = []) {
    for (const trip of trips) this.apply(trip);
  }

  ofDriver(driverId: string): ActiveTrip | undefined {
    return this.byDriver.get(driverId);
  }

  apply(trip: Trip): void {
    if (trip.driverId === null) return;
    const known = this.byDriver.get(trip.driverId);
    const active = activeTripOf(trip);
    if (active !== undefined) this.byDriver.set(trip.driverId, active);
    else if (known?.id === trip.id) this.byDriver.delete(trip.driverId);
  }
}

/** Since when (epoch ms) a trip's current part goes on. */
export const partBeganAt = (trip: ActiveTrip): number => trip.startedAt ?? trip.enRouteAt;

/**
 * The id of the trip that a position of a driver on this trip belongs to; null: of none. A live one belongs to the trip that its driver
 * is on; one out of a backlog only if it was recorded since the trip's current part began.
 */
export function tripIdAt(
  trip: ActiveTrip | undefined,
  kind: 'live' | 'backlog',
  recordedAt: number,
): string | null {
  return trip !== undefined && (kind === 'live' || recordedAt >= partBeganAt(trip)) ? trip.id : null;
}
