import type { Queries } from '../../shared/database/index.ts';

/** A finished trip with all that hangs on it. @returns false: it is not finished */
export async function eraseTrip(queries: Queries, tripId: string): Promise<boolean> {
  const { rowCount } = await queries.result(
    `delete from trip_tracking where id = $(tripId) and status in ('COMPLETED', 'CANCELLED')`,
    { tripId },
  );
  return rowCount > 0;
}

/** The last instant of the year 9999. */
const LAST_MS = 253_402_300_799_999;

/**
 * What a driver recorded before an instant (epoch ms; Infinity: ever): history and, if it is that old, the current position.
 * @returns how many positions of the history
 */
export async function erasePositions(queries: Queries, driverId: string, before: number): Promise<number> {
  const limit = Math.min(before, LAST_MS);
  return queries.tx(async (transaction) => {
    await transaction.none(
      `update driver_locations
          set location = null, bearing = null, speed = null, accuracy = null, altitude = null, battery = null,
              recorded_at = null, received_at = null, trip_id = null
        where driver_id = $(driverId) and recorded_at < to_timestamp($(limit) / 1000.0)`,
      { driverId, limit },
    );
    const { rowCount } = await transaction.result(
      'delete from location_history where driver_id = $(driverId) and recorded_at < to_timestamp($(limit) / 1000.0)',
      { driverId, limit },
    );
    return rowCount;
  });
}
