import type { Queries } from '../../database/index.ts';

/** Which of these times (epoch ms) are in the history of a driver already: a look at the primary key for each. */
export async function storedTimes(
  queries: Queries,
  driverId: string,
  times: readonly number[],
): Promise<ReadonlySet<number>> {
  const rows = await queries.any<{ at: string }>(
    `select (extract(epoch from h.recorded_at) * 1000)::bigint as at
       from unnest($(times)::float8[]) as given (at)
       join location_history h
         on h.driver_id = $(driverId) and h.recorded_at = to_timestamp(given.at / 1000.0)`,
    { driverId, times },
  );
  return new Set(rows.map(({ at }) => Number(at)));
}
