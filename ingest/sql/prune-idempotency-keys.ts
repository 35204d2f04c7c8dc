import type { Queries } from '../../shared/database/index.ts';
import { KEPT } from '../../shared/trips/sql/idempotency-key.ts';

/** Forgets keys that are kept long enough, `limit` at a time: a booking does too, where there is one. @returns how many */
export function pruneIdempotencyKeys(queries: Queries, limit: number): Promise<number> {
  return queries.result(
    `delete from idempotency_keys
      where (sub, key) in (select sub, key
                             from idempotency_keys
                            where created_at < now() - ${KEPT}
                            order by created_at
                            limit $(limit)
                              for update skip locked)`,
    { limit },
    ({ rowCount }) => rowCount,
  );
}
