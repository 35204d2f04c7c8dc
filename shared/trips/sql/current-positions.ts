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

/** Where a driver was last. Nobody erases it, or writes a newer one, before this transaction ends; what is being erased is not there any more. */
export async function lockCurrentPosition(
  transaction: Runner,
  driverId: string,
): Promise<LoggedPosition | undefined> {
  const row = await transaction.oneOrNone<PositionRow>(
    `select ${positionColumns}
       from driver_locations
      where driver_id = $(driverId) and location is not null
        for share`,
    { driverId },
  );
  return row === null ? undefined : positionOf(row);
}
