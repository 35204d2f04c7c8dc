import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import type { Logger } from 'pino';

/** A server that takes longer has vanished without a word: whoever started us is told, and may try again. */
const CONNECT_TIMEOUT_MS = 5000;

const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url));

/**
 * Runs the plain SQL migrations, each in a transaction of its own, under an advisory lock: of processes that start together, one
 * migrates and the others wait for it.
 * @returns the names of the migrations that ran
 */
export async function migrate(
  databaseUrl: string,
  log: Logger,
  direction: 'up' | 'down' = 'up',
  count = Number.POSITIVE_INFINITY,
): Promise<string[]> {
  const ran = await runner({
    databaseUrl: { connectionString: databaseUrl, connectionTimeoutMillis: CONNECT_TIMEOUT_MS },
    dir: MIGRATIONS,
    migrationsTable: 'migrations',
    direction,
    count,
    checkOrder: true,
    advisoryLockMode: 'wait',
    singleTransaction: false,
    logger: {
      debug: (message) => log.trace(message),
      info: (message) => log.debug(message),
      warn: (message) => log.warn(message),
      error: (message) => log.error(message),
    },
  });
  return ran.map(({ name }) => name);
}
