import type { Runner } from '../../shared/database/index.ts';

/** Names of the partitions of location_history that exist. */
export async function listPartitions(queries: Runner): Promise<Set<string>> {
  const rows = await queries.any<{ name: string }>(
    `select child.relname as name
       from pg_inherits
       join pg_class child on child.oid = inhrelid
      where inhparent = 'location_history'::regclass`,
  );
  return new Set(rows.map(({ name }) => name));
}
