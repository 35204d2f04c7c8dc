import type { Queries } from '../../database/index.ts';
import type { DriverStatus } from '../../schemas/driver-status.ts';

/** `onTrip`: by what is known of trips. The status may be older, if the last process ended between the two. Times: epoch ms. */
export type StoredStatus = {
  driverId: string;
  status: DriverStatus;
  at: number;
  seenAt: number;
  onTrip: boolean;
};

type Row = { driver_id: string; status: DriverStatus; at: number; seen_at: number; on_trip: boolean };

/** Every driver that counted as there when the last process ended, or is on a trip, or has gone within the last day. */
export async function storedStatuses(queries: Queries): Promise<StoredStatus[]> {
  const rows = await queries.any<Row>(
    `select coalesce(known.driver_id, trip.driver_id) as driver_id, coalesce(known.status, 'OFFLINE') as status,
            (extract(epoch from coalesce(known.status_at, trip.en_route_at)) * 1000)::float8 as at,
            coalesce(extract(epoch from known.received_at) * 1000, 0)::float8 as seen_at,
            trip.driver_id is not null as on_trip
       from driver_locations known
       full join (select driver_id, en_route_at
                    from trip_tracking
                   where status in ('EN_ROUTE', 'ARRIVED', 'IN_PROGRESS')) trip using (driver_id)
      where known.status <> 'OFFLINE' or trip.driver_id is not null or known.status_at >= now() - interval '1 day'`,
  );
  return rows.map((row) => ({
    driverId: row.driver_id,
    status: row.status,
    at: row.at,
    seenAt: row.seen_at,
    onTrip: row.on_trip,
  }));
}
