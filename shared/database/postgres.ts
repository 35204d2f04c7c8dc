import type { Duplex } from 'node:stream';
import type { Pool } from 'pg';
import pgPromise from 'pg-promise';
import type { Logger } from '../telemetry/log.ts';
import { PoolGuard } from './guarded-pool.ts';
import type { Database, Queries } from './index.ts';
import { createAdvisoryLocks } from './locks.ts';
import { isUnreachable } from './unreachable.ts';

/** A connection attempt that takes longer will not succeed; callers have their own ways to wait. */
const CONNECT_TIMEOUT_MS = 5000;
/** No statement of ours takes a tenth of that; one that does has lost its server. */
const STATEMENT_TIMEOUT_MS = 30_000;

const pgp = pgPromise({
  noWarnings: true,
  error(error: unknown, { client, dc }) {
    // node-postgres only stops waiting. The connection, whose server has vanished without a word, would go back to the pool and
    // be taken for the next statement, again and again, until TCP gives up after a quarter of an hour.
    if (error instanceof Error && error.message === 'Query read timeout')
      (client.connection.stream as unknown as Duplex).destroy();
    if (dc instanceof PoolGuard && error instanceof Error && isUnreachable(error)) dc.doubt();
  },
});

export type ConnectOptions = {
  poolSize: number;
  /** ms after which a connection that nobody uses is closed; 0: never. By default 10 s. */
  idleTimeoutMillis?: number;
  /** What every new connection has to run before it is used. */
  onConnect?: (client: { query(text: string): Promise<unknown> }) => Promise<unknown>;
};

/** pg-promise over a pool of connections. `guard`: stands before it. */
export function connect(
  connectionString: string,
  { poolSize, ...options }: ConnectOptions,
  guard?: PoolGuard,
): { queries: Queries; close(): Promise<void> } {
  const settings = {
    connectionString,
    max: poolSize,
    application_name: 'fleetcast',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS,
    keepAlive: true,
    ...(guard === undefined ? {} : { stream: guard.stream }),
    ...options,
  };
  const queries = pgp<object>(settings, guard);
  // It is node-postgres's own, whatever pg-promise's types say
  guard?.watch(queries.$pool as unknown as Pool);
  return { queries, close: () => queries.$pool.end() };
}

function withoutCredentials(connectionString: string): string {
  const url = new URL(connectionString);
  return `${url.hostname}:${url.port || 5432}${url.pathname}`;
}

/** A PostgreSQL server, with a circuit breaker before it. `log`: is told when it opens and closes. */
export function connectPostgres(connectionString: string, poolSize: number, log?: Logger): Database {
  const guard = new PoolGuard({ connectionString, application_name: 'fleetcast-circuit' }, log);
  const { queries, close } = connect(connectionString, { poolSize }, guard);
  return {
    queries,
    locks: createAdvisoryLocks(queries),
    connectionString,
    description: `PostgreSQL at ${withoutCredentials(connectionString)}`,
    circuit: () => guard.state,
    async close() {
      await close();
      guard.stop();
    },
  };
}
