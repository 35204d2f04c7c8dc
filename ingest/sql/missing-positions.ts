import type { Session } from '../../shared/database/index.ts';

/**
 * Which of these positions a partition does not have.
 * @param recordedAt ISO 8601
 * @returns their indices
 */
export async function missingPositions(
  session: Session,
  table: string,
  driverIds: readonly string[],
  recordedAt: readonly string[],
): Promise<number[]> {
  const rows = await session.any<{ index: number }>(
    `select (ordinal - 1)::int4 as index
       from unnest($(driverIds)::text[], $(recordedAt)::timestamptz[])
            with ordinality as given (driver_id, recorded_at, ordinal)
      where not exists (select from $(table:name) p
                         where p.driver_id = given.driver_id and p.recorded_at = given.recorded_at)
      order by ordinal`,
    { table, driverIds, recordedAt },
  );
  return rows.map(({ index }) => index);
}
