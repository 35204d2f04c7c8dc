import pgPromise from 'pg-promise';
import type { Database, Queries } from './index.ts';

const pgp = pgPromise({ noWarnings: true });

/** A connection attempt that takes longer will not succeed; callers have their own ways to wait. */
const CONNECT_TIMEOUT_MS = 5000;
/** No statement of ours takes a tenth of that; one that does has lost its server. */
const STATEMENT_TIMEOUT_MS = 30_000;

/** pg-promise over a pool of connections. */
export function connect(
  connectionString: string,
  poolSize: number,
): { queries: Queries; close(): Promise<void> } {
  const queries = pgp<object>({
    connectionString,
    max: poolSize,
    application_name: 'fleetcast',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS,
    keepAlive: true,
  });
  return { queries, close: () => queries.$pool.end() };
}

function withoutCredentials(connectionString: string): string {
  const url = new URL(connectionString);
  return `${url.hostname}:${url.port || 5432}${url.pathname}`;
}

/** A PostgreSQL server. */
export function connectPostgres(connectionString: string, poolSize: number): Database {
  return {
    ...connect(connectionString, poolSize),
    connectionString,
    description: `PostgreSQL at ${withoutCredentials(connectionString)}`,
  };
}
