import type { Static } from 'typebox';
import type {
  placeSchema,
  tripEventSchema,
  tripSchema,
  tripStatusMessageSchema,
} from '../schemas/outgoing.ts';
import type { TripStatus } from './status.ts';

export type Place = Static<typeof placeSchema>;

/** A trip, as REST shows it (SPEC section 8). Times are ISO 8601, null where not yet known. */
export type Trip = Static<typeof tripSchema>;

export type TripEvent = Static<typeof tripEventSchema>;

/** What goes out on `trips/{tripId}/status`. */
export type TripStatusMessage = Static<typeof tripStatusMessageSchema>;

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
