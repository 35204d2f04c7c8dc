import type { Runner } from '../../database/index.ts';
import type { TripStatus } from '../status.ts';
import type { Trip } from '../trip.ts';
import { type TripRow, tripColumns, tripOf } from './trip-row.ts';

const timeColumn: Record<Exclude<TripStatus, 'PENDING'>, string> = {
  EN_ROUTE: 'en_route_at',
  ARRIVED: 'arrived_at',
  IN_PROGRESS: 'started_at',
  COMPLETED: 'completed_at',
  CANCELLED: 'cancelled_at',
};

/** Moves a locked trip on: status, version, and the time of the status. */
export async function updateTripStatus(
  runner: Runner,
  tripId: string,
  status: Exclude<TripStatus, 'PENDING'>,
  reason: string | null,
): Promise<Trip> {
  const extras = [
    ...(status === 'CANCELLED' ? ['cancel_reason = $(reason)'] : []),
    ...(status === 'COMPLETED'
      ? ['duration_seconds = round(extract(epoch from clock_timestamp() - started_at)::numeric, 3)::float8']
      : []),
  ];
  const row = await runner.one<TripRow>(
    `update trip_tracking
        set status = $(status), version = version + 1, updated_at = clock_timestamp(),
            ${[`${timeColumn[status]} = clock_timestamp()`, ...extras].join(', ')}
      where id = $(tripId)
      returning ${tripColumns}`,
    { tripId, status, reason },
  );
  return tripOf(row);
}
