import type { Queries } from '../../shared/database/index.ts';
import { positionColumns } from '../../shared/database/position-row.ts';
import type { DriverStatus } from '../../shared/schemas/driver-status.ts';
import type { CurrentRow } from './latest-position.ts';

export type Nearby = {
  latitude: number;
  longitude: number;
  /** Metres. */
  radius: number;
  status: DriverStatus | undefined;
  limit: number;
  /** Epoch ms: what was recorded before is stale. */
  freshSince: number;
};

export type NearbyRow = CurrentRow & { distance_meters: number };

/** The nearest fresh drivers: those at the same distance by id. See the migration for how they are found. */
export function nearbyDrivers(queries: Queries, nearby: Nearby): Promise<NearbyRow[]> {
  return queries.any<NearbyRow>(
    `select ${positionColumns}, status, distance_meters
       from nearby_drivers(st_setsrid(st_makepoint($(longitude), $(latitude)), 4326)::geography, $(radius),
                           to_timestamp($(freshSince) / 1000.0), $(status), $(limit)) as nearest
       join driver_locations using (driver_id)
      order by distance_meters, driver_id
      limit $(limit)`,
    { ...nearby, status: nearby.status ?? null },
  );
}
