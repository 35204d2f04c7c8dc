import type { Runner } from '../../database/index.ts';
import { type PositionRow, positionColumns, positionOf } from '../../database/position-row.ts';
import type { LoggedPosition } from '../../position-log/index.ts';

/** Where these drivers were last. Those without a position are left out. */
export async function currentPositions(
  runner: Runner,
  driverIds: readonly string[],
): Promise<LoggedPosition[]> {
  const rows = await runner.any<PositionRow>(
    `select ${positionColumns}
       from driver_locations
      where driver_id = any($(driverIds)) and location is not null`,
    { driverIds },
  );
  return rows.map(positionOf);
}
