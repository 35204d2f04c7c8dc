import type { IDatabase } from 'pg-promise';

/** What queries are made with. Parameters are always bound. */
export type Queries = IDatabase<object>;

/** Port: the database. Adapters: `postgres.ts` (a server at DATABASE_URL), `embedded.ts` (PGlite in a worker thread). */
export type Database = {
  queries: Queries;
  /** For tools that connect by themselves: migrations, psql. */
  connectionString: string;
  /** What to call it in logs and health answers; without credentials. */
  description: string;
  close(): Promise<void>;
};
