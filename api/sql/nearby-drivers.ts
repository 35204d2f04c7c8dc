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

/**
 * The nearest fresh drivers. The inner query walks the spatial index outwards from the point (`<->` on geography is metres on
 * the sphere's index order, PostGIS manual) and stops at the limit; the radius is checked on what it found, since inside
 * it would make the planner collect the whole circle and sort it.
 */
export function nearbyDrivers(queries: Queries, nearby: Nearby): Promise<NearbyRow[]> {
  return queries.any<NearbyRow>(
    `select *
       from (select ${positionColumns}, status, location <-> here.point as distance_meters
               from driver_locations,
                    (select st_setsrid(st_makepoint($(longitude), $(latitude)), 4326)::geography as point) as here
              where recorded_at >= to_timestamp($(freshSince) / 1000.0)
                ${nearby.status === undefined ? '' : 'and status = $(status)'}
              order by location <-> here.point
              limit $(limit)) as nearest
      where distance_meters <= $(radius)
      order by distance_meters, driver_id`,
    nearby,
  );
}
