import type { Queries } from '../../shared/database/index.ts';
import { type PositionRow, positionColumns, positionOf } from '../../shared/database/position-row.ts';
import type { LoggedPosition } from '../../shared/position-log/index.ts';

/** What is in the history of a driver from one time on and before another (epoch ms). */
export async function storedBetween(
  queries: Queries,
  driverId: string,
  from: number,
  before: number,
): Promise<LoggedPosition[]> {
  const rows = await queries.any<PositionRow>(
    `select ${positionColumns}
       from location_history
      where driver_id = $(driverId)
        and recorded_at >= to_timestamp($(from) / 1000.0) and recorded_at < to_timestamp($(before) / 1000.0)`,
    { driverId, from, before },
  );
  return rows.map(positionOf);
}
