import type { Session } from '../../shared/database/index.ts';
import { archiveLine, nextRows, type Place } from './archive-line.ts';

export type DigestPage = { rows: number; sum: bigint; end: Place };

/**
 * The next rows of a partition as its archive has them: how many, and the sum of the first eight bytes (a signed number) of each line's
 * SHA-256. undefined: there are none.
 */
export async function digestPage(
  session: Session,
  table: string,
  after: Place,
  limit: number,
): Promise<DigestPage | undefined> {
  const page = await session.oneOrNone<{ rows: number; sum: string; driver_id: string; recorded_at: string }>(
    `with page as materialized (
       select sha256(convert_to(${archiveLine}, 'UTF8')) as hash, p.driver_id, p.recorded_at ${nextRows}
     )
     select (select count(*) from page)::int4 as rows,
            (select sum(('x' || encode(substring(hash from 1 for 8), 'hex'))::bit(64)::int8) from page)::text as sum,
            driver_id, recorded_at::text as recorded_at
       from page
      order by page.driver_id desc, page.recorded_at desc
      limit 1`,
    { table, ...after, limit },
  );
  if (page === null) return undefined;
  return {
    rows: page.rows,
    sum: BigInt(page.sum),
    end: { driverId: page.driver_id, recordedAt: page.recorded_at },
  };
}
