import type { TripStatus } from '../status.ts';
import type { Place, Trip } from '../trip.ts';

/** Columns of trip_tracking as `TripRow`. */
export const tripColumns = `
  id, rider_id, driver_id, status, version, pickup_address, dropoff_address, metadata,
  st_y(pickup::geometry) as pickup_latitude, st_x(pickup::geometry) as pickup_longitude,
  st_y(dropoff::geometry) as dropoff_latitude, st_x(dropoff::geometry) as dropoff_longitude,
  created_at, updated_at, en_route_at, arrived_at, started_at, completed_at, cancelled_at, cancel_reason,
  distance_meters, duration_seconds`;

export type TripRow = {
  id: string;
  rider_id: string;
  driver_id: string | null;
  status: TripStatus;
  version: number;
  pickup_latitude: number;
  pickup_longitude: number;
  pickup_address: string | null;
  dropoff_latitude: number;
  dropoff_longitude: number;
  dropoff_address: string | null;
  metadata: object;
  created_at: Date;
  updated_at: Date;
  en_route_at: Date | null;
  arrived_at: Date | null;
  started_at: Date | null;
  completed_at: Date | null;
  cancelled_at: Date | null;
  cancel_reason: string | null;
  distance_meters: number | null;
  duration_seconds: number | null;
};

const iso = (time: Date | null) => time?.toISOString() ?? null;

const place = (latitude: number, longitude: number, address: string | null): Place => ({
  latitude,
  longitude,
  ...(address === null ? {} : { address }),
});

export function tripOf(row: TripRow): Trip {
  return {
    id: row.id,
    riderId: row.rider_id,
    driverId: row.driver_id,
    status: row.status,
    version: row.version,
    pickup: place(row.pickup_latitude, row.pickup_longitude, row.pickup_address),
    dropoff: place(row.dropoff_latitude, row.dropoff_longitude, row.dropoff_address),
    metadata: row.metadata,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    enRouteAt: iso(row.en_route_at),
    arrivedAt: iso(row.arrived_at),
    startedAt: iso(row.started_at),
    completedAt: iso(row.completed_at),
    cancelledAt: iso(row.cancelled_at),
    cancelReason: row.cancel_reason,
    distanceMeters: row.distance_meters,
    durationSeconds: row.duration_seconds,
  };
}
