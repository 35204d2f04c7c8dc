import type { Queries } from '../../database/index.ts';

/**
 * Which of these times (epoch ms) a driver had in its history before a batch came at `receivedAt` (epoch ms): a look at the primary key for
 * each. The batch itself may be there by now.
 */
export async function storedTimes(
  queries: Queries,
  driverId: string,
  times: readonly number[],
  receivedAt: number,
): Promise<ReadonlySet<number>> {
  const rows = await queries.any<{ at: string }>(
    `select (extract(epoch from h.recorded_at) * 1000)::bigint as at
       from unnest($(times)::float8[]) as given (at)
       join location_history h
         on h.driver_id = $(driverId) and h.recorded_at = to_timestamp(given.at / 1000.0)
      where h.received_at < to_timestamp($(receivedAt) / 1000.0)`,
    { driverId, times, receivedAt },
  );
  return new Set(rows.map(({ at }) => Number(at)));
}
