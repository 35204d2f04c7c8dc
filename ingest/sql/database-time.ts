import type { Queries } from '../../shared/database/index.ts';

/** The database's clock, epoch ms. */
export async function databaseTime(queries: Queries): Promise<number> {
  const { now } = await queries.one<{ now: number }>(
    'select (extract(epoch from clock_timestamp()) * 1000)::float8 as now',
  );
  return now;
}
