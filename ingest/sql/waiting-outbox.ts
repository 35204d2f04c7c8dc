import type { Queries } from '../../shared/database/index.ts';

/** More are not counted: the answer is the same. */
const MAX_COUNTED = 10_000;

/** Committed changes of trips that were not published yet: how many, and when the oldest was committed (epoch ms). */
export async function waitingOutbox(queries: Queries): Promise<{ waiting: number; oldestAt: number | null }> {
  const { waiting, oldest } = await queries.one<{ waiting: number; oldest: Date | null }>(
    `select count(*)::int4 as waiting, min(created_at) as oldest
       from (select created_at from trip_outbox where published_at is null order by id limit $(limit)) as unpublished`,
    { limit: MAX_COUNTED },
  );
  return { waiting, oldestAt: oldest?.getTime() ?? null };
}
