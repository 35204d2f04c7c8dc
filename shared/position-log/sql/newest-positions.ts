import type { Queries } from '../../database/index.ts';

/** recordedAt (epoch ms) of every driver's current position that was recorded since `since` (epoch ms). */
export async function newestPositions(queries: Queries, since: number): Promise<Map<string, number>> {
  const rows = await queries.any<{ driver_id: string; recorded_ms: number }>(
    `select driver_id, (extract(epoch from recorded_at) * 1000)::float8 as recorded_ms
       from driver_locations
      where recorded_at >= to_timestamp($(since) / 1000.0)`,
    { since },
  );
  return new Map(rows.map((row) => [row.driver_id, row.recorded_ms]));
}
