import type { Runner } from '../../database/index.ts';
import type { Trip } from '../trip.ts';
import { type TripRow, tripColumns, tripOf } from './trip-row.ts';

export async function findTrip(runner: Runner, tripId: string): Promise<Trip | undefined> {
  const row = await runner.oneOrNone<TripRow>(
    `select ${tripColumns} from trip_tracking where id = $(tripId)`,
    { tripId },
  );
  return row === null ? undefined : tripOf(row);
}

/** Keeps everybody else from changing it until the transaction ends. */
export async function lockTrip(runner: Runner, tripId: string): Promise<Trip | undefined> {
  const row = await runner.oneOrNone<TripRow>(
    `select ${tripColumns} from trip_tracking where id = $(tripId) for update`,
    { tripId },
  );
  return row === null ? undefined : tripOf(row);
}

/** The trip that a driver is on; at most one by trip_tracking_active_driver_idx. */
export async function findActiveTrip(runner: Runner, driverId: string): Promise<Trip | undefined> {
  const row = await runner.oneOrNone<TripRow>(
    `select ${tripColumns}
       from trip_tracking
      where driver_id = $(driverId) and status in ('EN_ROUTE', 'ARRIVED', 'IN_PROGRESS')`,
    { driverId },
  );
  return row === null ? undefined : tripOf(row);
}

/** Those that there are. */
export async function findTrips(runner: Runner, tripIds: readonly string[]): Promise<Trip[]> {
  const rows = await runner.any<TripRow>(
    `select ${tripColumns} from trip_tracking where id = any($(tripIds)::uuid[])`,
    { tripIds },
  );
  return rows.map(tripOf);
}

export async function findActiveTrips(runner: Runner): Promise<Trip[]> {
  const rows = await runner.any<TripRow>(
    `select ${tripColumns} from trip_tracking where status in ('EN_ROUTE', 'ARRIVED', 'IN_PROGRESS')`,
  );
  return rows.map(tripOf);
}
