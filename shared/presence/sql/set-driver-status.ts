import type { Queries } from '../../database/index.ts';
import type { DriverStatus } from '../../schemas/driver-status.ts';

/** Sets what a driver counts as, unless something newer is known. `at`: epoch ms. */
export async function setDriverStatus(
  queries: Queries,
  driverId: string,
  status: DriverStatus,
  at: number,
): Promise<void> {
  await queries.none(
    `insert into driver_locations as known (driver_id, status, status_at)
     values ($(driverId), $(status), to_timestamp($(at) / 1000.0))
         on conflict (driver_id) do update
        set status = excluded.status, status_at = excluded.status_at
      where known.status_at <= excluded.status_at`,
    { driverId, status, at },
  );
}
