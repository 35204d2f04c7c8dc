import type { Queries } from '../../shared/database/index.ts';
import type { LoggedPosition } from '../../shared/position-log/index.ts';

/** Is exactly this position (also by its time of receipt and place) in the history? */
export async function isStored(queries: Queries, position: LoggedPosition): Promise<boolean> {
  const row = await queries.oneOrNone(
    `select 1
       from location_history
      where driver_id = $(driverId)
        and recorded_at = to_timestamp($(recordedAt) / 1000.0)
        and received_at = to_timestamp($(receivedAt) / 1000.0)
        and st_y(location::geometry) = $(latitude) and st_x(location::geometry) = $(longitude)`,
    position,
  );
  return row !== null;
}
