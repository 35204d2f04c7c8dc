import { ConfigError, readConfig } from '../shared/config.ts';
import { openEmbeddedDatabase } from '../shared/database/embedded.ts';
import { migrate } from '../shared/database/migrate.ts';
import { loadEnvFile } from '../shared/env-file.ts';
import { createLogger } from '../shared/telemetry/log.ts';

/**
 * `npm run migrate [-- up | down [COUNT]]`: all migrations up, or the last COUNT (default 1) down, on DATABASE_URL or the embedded
 * database.
 */
async function run(argv: readonly string[]): Promise<void> {
  const [direction = 'up', count = direction === 'up' ? 'all' : '1'] = argv;
  const steps = count === 'all' ? Number.POSITIVE_INFINITY : Number(count);
  if ((direction !== 'up' && direction !== 'down') || !(steps >= 1) || argv.length > 2)
    throw new ConfigError(['usage: npm run migrate [-- up | down [COUNT | all]]']);
  const config = readConfig({ ...process.env, ROLE: 'all', REDIS_URL: '' });
  const log = createLogger(config.logLevel);
  if (config.databaseUrl !== undefined)
    return report(await migrate(config.databaseUrl, log, direction, steps));
  const database = await openEmbeddedDatabase(config.dataDir, (error) => {
    throw error;
  });
  try {
    report(await migrate(database.connectionString, log, direction, steps));
  } finally {
    await database.close();
  }
}

function report(ran: readonly string[]): void {
  process.stdout.write(ran.length === 0 ? 'nothing to migrate\n' : `${ran.join('\n')}\n`);
}

try {
  loadEnvFile();
  await run(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
