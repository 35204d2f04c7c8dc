import type { IDatabase, ITask } from 'pg-promise';

/** What queries are made with. Parameters are always bound. */
export type Queries = IDatabase<object>;
export type Transaction = ITask<object>;

/** Anything that runs statements: the pool, or a transaction. */
export type Runner = Pick<Queries, 'any' | 'one' | 'oneOrNone' | 'none'>;

/** Port: the database. Adapters: `postgres.ts` (a server at DATABASE_URL), `embedded.ts` (PGlite in a worker thread). */
export type Database = {
  queries: Queries;
  /** For tools that connect by themselves: migrations, psql. */
  connectionString: string;
  /** What to call it in logs and health answers; without credentials. */
  description: string;
  close(): Promise<void>;
};
