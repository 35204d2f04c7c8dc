import type { TripStatus } from './status.ts';

export type Place = { latitude: number; longitude: number; address?: string };

/** A trip, as REST shows it (SPEC section 8). Times are ISO 8601, null where not yet known. */
export type Trip = {
  id: string;
  riderId: string;
  driverId: string | null;
  status: TripStatus;
  version: number;
  pickup: Place;
  dropoff: Place;
  metadata: object;
  createdAt: string;
  updatedAt: string;
  enRouteAt: string | null;
  arrivedAt: string | null;
  startedAt: string | null;
  completedAt: string | null;
  cancelledAt: string | null;
  cancelReason: string | null;
  distanceMeters: number | null;
  durationSeconds: number | null;
};

export type TripEvent = {
  version: number;
  status: TripStatus;
  previous: TripStatus | null;
  at: string;
  actor: { sub: string; role: string };
  reason: string | null;
};

/** What goes out on `trips/{tripId}/status`. */
export type TripStatusMessage = {
  tripId: string;
  status: TripStatus;
  previous: TripStatus | null;
  version: number;
  at: string;
  driverId: string | null;
  distanceMeters?: number;
  durationSeconds?: number;
};

export function statusMessage(trip: Trip, previous: TripStatus | null): TripStatusMessage {
  return {
    tripId: trip.id,
    status: trip.status,
    previous,
    version: trip.version,
    at: trip.updatedAt,
    driverId: trip.driverId,
    ...(trip.distanceMeters === null ? {} : { distanceMeters: trip.distanceMeters }),
    ...(trip.durationSeconds === null ? {} : { durationSeconds: trip.durationSeconds }),
  };
}
