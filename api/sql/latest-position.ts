import type { Queries } from '../../shared/database/index.ts';
import { type PositionRow, positionColumns } from '../../shared/database/position-row.ts';
import type { DriverStatus } from '../../shared/schemas/driver-status.ts';

export type CurrentRow = PositionRow & { status: DriverStatus };

/** The current position of a driver; null when it has none. */
export function latestPosition(queries: Queries, driverId: string): Promise<CurrentRow | null> {
  return queries.oneOrNone<CurrentRow>(
    `select ${positionColumns}, status
       from driver_locations
      where driver_id = $(driverId) and location is not null`,
    { driverId },
  );
}
