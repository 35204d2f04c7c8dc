import type { Queries } from '../../shared/database/index.ts';

/** The positions of a finished trip do not say any more that they were of it. */
export async function forgetTrip(
  queries: Queries,
  trip: { id: string; driverId: string | null },
): Promise<void> {
  for (const table of ['driver_locations', 'location_history'])
    await queries.none(
      `update ${table} set trip_id = null where driver_id = $(driverId) and trip_id = $(id)`,
      trip,
    );
}

/** A finished trip with all that hangs on it. @returns false: it is not finished */
export async function eraseTrip(queries: Queries, tripId: string): Promise<boolean> {
  const { rowCount } = await queries.result(
    `delete from trip_tracking where id = $(tripId) and status in ('COMPLETED', 'CANCELLED')`,
    { tripId },
  );
  return rowCount > 0;
}

/**
 * What a driver recorded before an instant (epoch ms): history and, if it is that old, the current position.
 * @returns how many positions of the history
 */
export function erasePositions(queries: Queries, driverId: string, before: number): Promise<number> {
  return queries.tx(async (transaction) => {
    await transaction.none(
      `update driver_locations
          set location = null, bearing = null, speed = null, accuracy = null, altitude = null, battery = null,
              recorded_at = null, received_at = null, trip_id = null
        where driver_id = $(driverId) and recorded_at < to_timestamp($(before) / 1000.0)`,
      { driverId, before },
    );
    const { rowCount } = await transaction.result(
      'delete from location_history where driver_id = $(driverId) and recorded_at < to_timestamp($(before) / 1000.0)',
      { driverId, before },
    );
    return rowCount;
  });
}
