import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Row, table } from './chaos/report.ts';
import { createTestDatabase } from './database.ts';
import { compileProduct } from './services/compiled.ts';
import { startServices } from './services/index.ts';

declare global {
  /** Set by the global setup, called by the global teardown: Jest runs both in one process. */
  var stopTestServices: (() => Promise<void>) | undefined;
}

/** Starts the services once per Jest run; the tests' workers inherit the two addresses. */
export default async function globalSetup(): Promise<void> {
  const given = { database: process.env.TEST_DATABASE_URL, redis: process.env.TEST_REDIS_URL };
  const product = await compileProduct();
  process.env.TEST_COMPILED = product;
  const services = await startServices({ databaseUrl: given.database, redisUrl: given.redis });
  process.env.TEST_DATABASE_URL = services.databaseUrl;
  process.env.TEST_REDIS_URL = services.redisUrl;
  const migrated = await createTestDatabase();
  await promisify(execFile)(process.execPath, [join(product, 'tools/migrate.js')], {
    env: { PATH: process.env.PATH, DATABASE_URL: migrated.url },
  });
  process.env.TEST_MIGRATED_DATABASE = new URL(migrated.url).pathname.slice(1);

  const folder = mkdtempSync(join(tmpdir(), 'fleetcast-run-'));
  process.env.TEST_RUN_FOLDER = folder;
  const rows = join(folder, 'chaos.jsonl');
  process.env.CHAOS_ROWS = rows;
  globalThis.stopTestServices = async () => {
    printChaos(rows);
    rmSync(folder, { recursive: true, force: true });
    await migrated.drop();
    // In watch mode the next run must not take a stopped server for one that the user gave.
    setOrDelete('TEST_DATABASE_URL', given.database);
    setOrDelete('TEST_REDIS_URL', given.redis);
    await services.stop();
  };
}

function setOrDelete(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

/** What the chaos tests of this run have seen. */
function printChaos(path: string): void {
  if (!existsSync(path)) return;
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  process.stdout.write(`\n${table(lines.map((line) => JSON.parse(line) as Row))}\n`);
}
