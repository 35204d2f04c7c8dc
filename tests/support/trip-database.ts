import type { Database } from '../../shared/database/index.ts';
import { connectPostgres } from '../../shared/database/postgres.ts';
import { createLogger } from '../../shared/telemetry/log.ts';
import { createMigratedDatabase } from './database.ts';

export const silent = createLogger('silent');

/** A migrated database of its own, and connections to it, each pool as one process has it. */
export async function migratedDatabase(): Promise<{
  url: string;
  open(poolSize?: number): Database;
  drop(): Promise<void>;
}> {
  const database = await createMigratedDatabase();
  const opened = new Set<Database>();
  return {
    url: database.url,
    open(poolSize = 4) {
      const pool = connectPostgres(database.url, poolSize);
      const connection: Database = {
        ...pool,
        async close() {
          if (opened.delete(connection)) await closeAll(pool);
        },
      };
      opened.add(connection);
      return connection;
    },
    async drop() {
      await Promise.all([...opened].map((connection) => connection.close()));
      await database.drop();
    },
  };
}

/** The pool's own end does not wait for its connections: the server would find them open when it drops the database. */
async function closeAll({ queries, close }: Database): Promise<void> {
  const { $pool } = queries;
  let left = $pool.totalCount;
  const gone = new Promise<void>((resolve) => {
    if (left === 0) resolve();
    $pool.on('remove', () => {
      if (--left === 0) resolve();
    });
  });
  await close();
  await gone;
}
