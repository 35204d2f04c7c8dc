import type { Queries } from '../../shared/database/index.ts';
import type { DriverStatus } from '../../shared/schemas/driver-status.ts';

export type StoredStatus = { driverId: string; status: DriverStatus; at: number; seenAt: number };

/** Every driver that counted as there when the last process ended. Times: epoch ms. */
export async function storedStatuses(queries: Queries): Promise<StoredStatus[]> {
  const rows = await queries.any<{ driver_id: string; status: DriverStatus; at: number; seen_at: number }>(
    `select driver_id, status, (extract(epoch from status_at) * 1000)::float8 as at,
            coalesce(extract(epoch from received_at) * 1000, 0)::float8 as seen_at
       from driver_locations
      where status <> 'OFFLINE'`,
  );
  return rows.map((row) => ({
    driverId: row.driver_id,
    status: row.status,
    at: row.at,
    seenAt: row.seen_at,
  }));
}
