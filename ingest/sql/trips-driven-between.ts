import type { Queries } from '../../shared/database/index.ts';

/**
 * Completed trips that a driver was on at some time between two instants, of which no part may have been dropped: what is left of a track
 * would make a shorter trip. Times: epoch ms.
 */
export async function tripsDrivenBetween(
  queries: Queries,
  span: { driverId: string; from: number; to: number; keptSince: number },
): Promise<{ tripId: string; distanceMeters: number | null }[]> {
  const rows = await queries.any<{ id: string; distance_meters: number | null }>(
    `select id, distance_meters
       from trip_tracking
      where driver_id = $(driverId) and status = 'COMPLETED'
        and started_at >= to_timestamp($(keptSince) / 1000.0)
        and started_at <= to_timestamp($(to) / 1000.0) and completed_at >= to_timestamp($(from) / 1000.0)`,
    span,
  );
  return rows.map((row) => ({ tripId: row.id, distanceMeters: row.distance_meters }));
}
