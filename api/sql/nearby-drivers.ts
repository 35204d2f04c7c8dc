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

const here = 'st_setsrid(st_makepoint($(longitude), $(latitude)), 4326)::geography';

/** The nearest fresh drivers: those at the same distance by id. See the migration for how they are found. */
export async function nearbyDrivers(queries: Queries, nearby: Nearby): Promise<NearbyRow[]> {
  const values = { ...nearby, status: nearby.status ?? null };
  try {
    return await queries.any<NearbyRow>(
      `select ${positionColumns}, status, distance_meters
         from nearby_drivers(${here}, $(radius), to_timestamp($(freshSince) / 1000.0), $(status), $(limit)) as nearest
         join driver_locations using (driver_id)
        order by distance_meters, driver_id
        limit $(limit)`,
      values,
    );
  } catch (error) {
    if (!lostItsOrder(error)) throw error;
    return queries.any<NearbyRow>(
      `select ${positionColumns}, status, distance_meters
         from driver_locations
        cross join lateral (select st_distance(location, ${here}, false) as distance_meters) as measured
        where st_dwithin(location, ${here}, $(radius), false)
          and distance_meters <= $(radius)
          and recorded_at >= to_timestamp($(freshSince) / 1000.0)
          and ($(status) is null or status = $(status))
        order by distance_meters, driver_id
        limit $(limit)`,
      values,
    );
  }
}

/**
 * PostGIS' index on geography promises distances in single precision, and where they come out a hair too great (the equator at ±180°,
 * drivers less than a nanometre apart) PostgreSQL ends the walk with an internal error. Then the whole circle is collected and
 * sorted, which is slower and always right.
 */
function lostItsOrder(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return code === 'XX000' && message === 'index returned tuples in wrong order';
}
