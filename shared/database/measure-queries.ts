import type { Pool, PoolClient } from 'pg';
import type { Metrics } from '../telemetry/metrics.ts';
import { watch } from '../telemetry/watch.ts';
import type { Queries } from './index.ts';

/** First words of statements. A name that is put together from what somebody sends never becomes a label. */
const WORDS: ReadonlySet<string> = new Set([
  'select',
  'insert',
  'update',
  'delete',
  'with',
  'begin',
  'commit',
  'rollback',
]);

type Statement = string | { name?: string; text?: string };
type Done = (error: Error | null, result: unknown) => void;

function operationOf(statement: Statement): string {
  // Names of prepared statements stand in the code
  if (typeof statement === 'object' && statement.name !== undefined) return statement.name;
  const text = typeof statement === 'string' ? statement : (statement.text ?? '');
  const word = /^\s*(\w{1,8})\b/.exec(text)?.[1]?.toLowerCase() ?? '';
  return WORDS.has(word) ? word : 'other';
}

/**
 * Times every statement of pg-promise over this pool, and shows how full the pool is. To be called before the first statement:
 * connections that are open are not measured.
 */
export function measureQueries(queries: Queries, metrics: Metrics): void {
  // It is node-postgres's own, whatever pg-promise's types say
  const pool = queries.$pool as unknown as Pool;
  pool.on('connect', (client) => measure(client, metrics));
  const { registry } = metrics;
  watch(
    registry,
    'fleetcast_database_pool_connections',
    'Open connections to the database',
    () => pool.totalCount,
  );
  watch(
    registry,
    'fleetcast_database_pool_busy',
    'Connections to the database that are in use',
    () => pool.totalCount - pool.idleCount,
  );
  watch(
    registry,
    'fleetcast_database_pool_waiting',
    'Statements and transactions that wait for a connection to the database',
    () => pool.waitingCount,
  );
}

function measure(client: PoolClient, { queries, queryFailures }: Metrics): void {
  const send = client.query.bind(client) as (...args: unknown[]) => unknown;
  const measured = (statement: Statement, values: unknown, done: unknown): unknown => {
    // Not of pg-promise: what a new connection has to run first, for example
    if (typeof done !== 'function') return send(statement, values, done);
    const operation = operationOf(statement);
    const sentAt = performance.now();
    const answered: Done = (error, result) => {
      queries.of(operation).observe((performance.now() - sentAt) / 1000);
      // 22 and 23, 40: the data, or another transaction, is at fault (PostgreSQL's errors, appendix A)
      if (
        error !== null &&
        error !== undefined &&
        !/^(2[23]|40)/.test(String((error as { code?: unknown }).code))
      )
        queryFailures.inc();
      (done as Done)(error, result);
    };
    return send(statement, values, answered);
  };
  client.query = measured as typeof client.query;
}
