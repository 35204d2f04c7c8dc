import type { Runner } from '../../database/index.ts';
import type { TripStatus } from '../status.ts';
import type { Trip } from '../trip.ts';
import { type TripRow, tripColumns, tripOf } from './trip-row.ts';

export type TripFilter = {
  status: TripStatus | undefined;
  driverId: string | undefined;
  riderId: string | undefined;
  /** The last trip of the page before. */
  after: { createdAt: string; id: string } | undefined;
  limit: number;
};

/** Newest first; among those of one instant by id, so that pages neither repeat nor miss one. */
export async function listTrips(runner: Runner, filter: TripFilter): Promise<Trip[]> {
  const conditions = [
    ...(filter.status === undefined ? [] : ['status = $(status)']),
    ...(filter.driverId === undefined ? [] : ['driver_id = $(driverId)']),
    ...(filter.riderId === undefined ? [] : ['rider_id = $(riderId)']),
    ...(filter.after === undefined ? [] : ['(created_at, id) < ($(after.createdAt), $(after.id)::uuid)']),
  ];
  const rows = await runner.any<TripRow>(
    `select ${tripColumns}
       from trip_tracking
      ${conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`}
      order by created_at desc, id desc
      limit $(limit)`,
    filter,
  );
  return rows.map(tripOf);
}
