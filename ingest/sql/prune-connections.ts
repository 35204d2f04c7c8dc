import type { Queries } from '../../shared/database/index.ts';

/** Forgets connections that were closed before `before` (epoch ms), `limit` at a time. @returns how many */
export function pruneConnections(queries: Queries, before: number, limit: number): Promise<number> {
  return queries.result(
    `delete from connection_sessions
      where id in (select id
                     from connection_sessions
                    where closed_at < to_timestamp($(before) / 1000.0)
                    order by closed_at
                    limit $(limit)
                      for update skip locked)`,
    { before, limit },
    ({ rowCount }) => rowCount,
  );
}
