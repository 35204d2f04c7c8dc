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
    if (isActive(trip.status)) {
      this.byDriver.set(trip.driverId, {
        id: trip.id,
        driverId: trip.driverId,
        riderId: trip.riderId,
        status: trip.status,
        version: trip.version,
        pickup: trip.pickup,
        dropoff: trip.dropoff,
        enRouteAt: epoch(trip.enRouteAt) ?? 0,
        startedAt: epoch(trip.startedAt),
      });
    } else if (known?.id === trip.id) this.byDriver.delete(trip.driverId);
  }

  /**
   * The trip that a position belongs to; null: none. A live one belongs to the trip that its driver is on; one out of a backlog
   * only if it was recorded since the trip's current part began.
   */
  tripIdOf(driverId: string, kind: 'live' | 'backlog', recordedAt: number): string | null {
    const trip = this.byDriver.get(driverId);
    if (trip === undefined) return null;
    return kind === 'live' || recordedAt >= (trip.startedAt ?? trip.enRouteAt) ? trip.id : null;
  }
}
