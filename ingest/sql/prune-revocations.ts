import type { Queries } from '../../shared/database/index.ts';

/** Forgets revocations that hold no more, `limit` at a time. @returns how many */
export function pruneRevocations(queries: Queries, limit: number): Promise<number> {
  return queries.result(
    `delete from revocations
      where (kind, value) in (select kind, value
                                from revocations
                               where until < now()
                               limit $(limit)
                                 for update skip locked)`,
    { limit },
    ({ rowCount }) => rowCount,
  );
}
