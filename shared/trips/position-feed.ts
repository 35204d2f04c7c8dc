import type { EtaEstimator } from '../eta/index.ts';
import { deliverPosition, positionMessage } from '../messages/positions.ts';
import type { Publisher } from '../messages/publisher.ts';
import type { LoggedPosition } from '../position-log/index.ts';
import type { TripLocation } from '../schemas/outgoing.ts';
import { topicFor } from '../topics.ts';
import type { ActiveTrip, ActiveTrips } from './active-trips.ts';
import { Arrivals } from './arrival.ts';
import { isActive } from './status.ts';
import type { Trip } from './trip.ts';

export type PositionFeedOptions = {
  publisher: Publisher;
  trips: ActiveTrips;
  eta: EtaEstimator;
  arrivalRadiusMeters: number;
  /** A driver dwells at the pickup and AUTO_ARRIVE is on. undefined: a hint is given instead. */
  onArrival: ((trip: ActiveTrip) => void) | undefined;
};

/**
 * From a driver's one position to all who follow: the driver's own topic, and the trip that the driver is on, with the
 * time left. Positions come here only if they are newer than all before (the log decides that), so nobody is shown an older one
 * after a newer one.
 */
export class PositionFeed {
  private readonly latest = new Map<string, LoggedPosition>();
  private readonly arrivals: Arrivals;
  private readonly near = new Set<string>();
  private readonly options: PositionFeedOptions;

  constructor(options: PositionFeedOptions) {
    this.options = options;
    this.arrivals = new Arrivals(options.arrivalRadiusMeters);
  }

  /** `trip`: the one that the driver is on. `written`: it was handed to the subscribers. */
  deliver(position: LoggedPosition, trip: ActiveTrip | undefined, written: () => void): void {
    const { publisher, eta, onArrival } = this.options;
    if (trip === undefined) return deliverPosition(publisher, position, written);
    deliverPosition(publisher, position);
    eta.observe(position.driverId, position);
    this.latest.set(trip.id, position);
    if (this.arrivals.dwells(trip, position)) {
      if (onArrival === undefined) this.near.add(trip.id);
      else onArrival(trip);
    } else this.near.delete(trip.id);
    publisher.stream(topicFor('tripLocation', trip.id), this.message(trip, position), written);
  }

  /** A trip has changed: a driver that sets out is shown where it is now; what has ended is forgotten. */
  apply(trip: Trip, current?: LoggedPosition): void {
    if (isActive(trip.status)) {
      const known = this.latest.get(trip.id);
      if (current !== undefined && (known === undefined || known.recordedAt < current.recordedAt))
        this.latest.set(trip.id, current);
      if (trip.status !== 'EN_ROUTE') this.near.delete(trip.id);
      return;
    }
    this.forget(trip.id, trip.driverId);
  }

  /** A trip is over. */
  forget(tripId: string, driverId: string | null): void {
    this.latest.delete(tripId);
    this.near.delete(tripId);
    this.arrivals.forget(tripId);
    if (driverId !== null) this.options.eta.forget(tripId, driverId);
  }

  /** Positions have been erased: what is kept of them here goes too. */
  erase(driverId: string, before: number): void {
    for (const [tripId, position] of this.latest)
      if (position.driverId === driverId && position.recordedAt < before) this.forget(tripId, driverId);
  }

  /** The last location message of a driver on a trip, made of what is known now. */
  snapshot(driverId: string, tripId: string): Buffer | undefined {
    const trip = this.options.trips.ofDriver(driverId);
    const position = this.latest.get(tripId);
    return trip?.id === tripId && position !== undefined ? this.message(trip, position) : undefined;
  }

  /** What goes out on `trips/{tripId}/location`. */
  message(trip: ActiveTrip, position: LoggedPosition): Buffer {
    const toPickup = trip.status === 'EN_ROUTE';
    const eta = this.options.eta.estimate({
      tripId: trip.id,
      driverId: trip.driverId,
      from: position,
      to: toPickup ? trip.pickup : trip.dropoff,
    });
    const message: TripLocation = {
      ...positionMessage(position),
      tripId: trip.id,
      eta: { ...eta, to: toPickup ? 'pickup' : 'dropoff' },
      ...(this.near.has(trip.id) ? { near: 'pickup' } : {}),
    };
    return Buffer.from(JSON.stringify(message));
  }
}
