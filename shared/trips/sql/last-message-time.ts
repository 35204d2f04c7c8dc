import type { Queries } from '../../database/index.ts';

/** When the last message of a trip was written, epoch ms; undefined: never. */
export async function lastMessageTime(queries: Queries): Promise<number | undefined> {
  const { last } = await queries.one<{ last: number | null }>(
    'select (extract(epoch from max(created_at)) * 1000)::float8 as last from trip_outbox',
  );
  return last ?? undefined;
}
