import type { Queries } from '../../shared/database/index.ts';

/** Forgets messages that were published before `before` (epoch ms). */
export async function pruneOutbox(queries: Queries, before: number): Promise<void> {
  await queries.none('delete from trip_outbox where published_at < to_timestamp($(before) / 1000.0)', {
    before,
  });
}
