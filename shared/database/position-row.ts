import type { LoggedPosition } from '../position-log/index.ts';

/** Columns of a stored position, times as epoch milliseconds; for both tables that hold one. */
export const positionColumns = `
  driver_id, (extract(epoch from recorded_at) * 1000)::float8 as recorded_ms,
  (extract(epoch from received_at) * 1000)::float8 as received_ms,
  st_y(location::geometry) as latitude, st_x(location::geometry) as longitude,
  bearing, speed, accuracy, altitude, battery, trip_id`;

export type PositionRow = {
  driver_id: string;
  recorded_ms: number;
  received_ms: number;
  latitude: number;
  longitude: number;
  bearing: number | null;
  speed: number | null;
  accuracy: number | null;
  altitude: number | null;
  battery: number | null;
  trip_id: string | null;
};

export function positionOf(row: PositionRow): LoggedPosition {
  return {
    driverId: row.driver_id,
    recordedAt: Math.round(row.recorded_ms),
    receivedAt: Math.round(row.received_ms),
    latitude: row.latitude,
    longitude: row.longitude,
    bearing: row.bearing,
    speed: row.speed,
    accuracy: row.accuracy,
    altitude: row.altitude,
    battery: row.battery,
    tripId: row.trip_id,
    timeAssigned: false,
  };
}
