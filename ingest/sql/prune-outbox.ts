import type { Queries } from '../../shared/database/index.ts';

/** Forgets messages that were published before `before` (epoch ms). */
export async function pruneOutbox(queries: Queries, before: number): Promise<void> {
  await queries.none('delete from trip_outbox where published_at < to_timestamp($(before) / 1000.0)', {
    before,
  });
}

/** When the last message was written, epoch ms; undefined: never. */
export async function lastOutboxTime(queries: Queries): Promise<number | undefined> {
  const { last } = await queries.one<{ last: number | null }>(
    'select (extract(epoch from max(created_at)) * 1000)::float8 as last from trip_outbox',
  );
  return last ?? undefined;
}
