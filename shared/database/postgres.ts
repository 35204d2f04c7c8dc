import type { Duplex } from 'node:stream';
import pgPromise from 'pg-promise';
import type { Database, Queries } from './index.ts';
import { createAdvisoryLocks } from './locks.ts';

/** A connection attempt that takes longer will not succeed; callers have their own ways to wait. */
const CONNECT_TIMEOUT_MS = 5000;
/** No statement of ours takes a tenth of that; one that does has lost its server. */
const STATEMENT_TIMEOUT_MS = 30_000;

const pgp = pgPromise({
  noWarnings: true,
  error(error: unknown, { client }) {
    // node-postgres only stops waiting. The connection, whose server has vanished without a word, would go back to the pool and
    // be taken for the next statement, again and again, until TCP gives up after a quarter of an hour.
    if (error instanceof Error && error.message === 'Query read timeout')
      (client.connection.stream as unknown as Duplex).destroy();
  },
});

export type ConnectOptions = {
  poolSize: number;
  /** ms after which a connection that nobody uses is closed; 0: never. By default 10 s. */
  idleTimeoutMillis?: number;
  /** What every new connection has to run before it is used. */
  onConnect?: (client: { query(text: string): Promise<unknown> }) => Promise<unknown>;
};

/** pg-promise over a pool of connections. */
export function connect(
  connectionString: string,
  { poolSize, ...options }: ConnectOptions,
): { queries: Queries; close(): Promise<void> } {
  const settings = {
    connectionString,
    max: poolSize,
    application_name: 'fleetcast',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS,
    keepAlive: true,
    ...options,
  };
  const queries = pgp<object>(settings);
  return { queries, close: () => queries.$pool.end() };
}

function withoutCredentials(connectionString: string): string {
  const url = new URL(connectionString);
  return `${url.hostname}:${url.port || 5432}${url.pathname}`;
}

/** A PostgreSQL server. */
export function connectPostgres(connectionString: string, poolSize: number): Database {
  const pool = connect(connectionString, { poolSize });
  return {
    ...pool,
    locks: createAdvisoryLocks(pool.queries),
    connectionString,
    description: `PostgreSQL at ${withoutCredentials(connectionString)}`,
  };
}
