import { randomBytes } from 'node:crypto';
import { Client } from 'pg';

export interface TestDatabase {
  url: string;
  drop(): Promise<void>;
}

/** Whoever is connected after that is cut off. */
const GOODBYE_MS = 500;

/** An empty database of its own for a test, on the server of this run unless said; its extensions are the migrations' job. */
export function createTestDatabase(server = process.env.TEST_DATABASE_URL): Promise<TestDatabase> {
  // template0, because nobody is ever connected to it and nobody has put anything in it.
  return create(server, "template0 encoding 'UTF8'");
}

/** One that is as the migrations leave it: a copy of the one that the global setup has made. They take longer than many a test. */
export function createMigratedDatabase(): Promise<TestDatabase> {
  return create(process.env.TEST_DATABASE_URL, process.env.TEST_MIGRATED_DATABASE ?? '');
}

async function create(server: string | undefined, template: string): Promise<TestDatabase> {
  if (!server)
    throw new Error('TEST_DATABASE_URL is not set: only tests/integration and tests/system have a server');
  const name = `fleetcast_test_${randomBytes(8).toString('hex')}`;
  await execute(server, `create database ${name} template ${template}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    async drop() {
      await untilAlone(server, name);
      await execute(server, `drop database if exists ${name} with (force)`);
    },
  };
}

/** A pool that has ended is still saying goodbye to the server: a connection that is cut off then tells of an error that nobody waits for. */
async function untilAlone(server: string, name: string): Promise<void> {
  const client = new Client({ connectionString: server });
  await client.connect();
  try {
    for (const end = Date.now() + GOODBYE_MS; Date.now() < end; ) {
      const { rows } = await client.query('select from pg_stat_activity where datname = $1', [name]);
      if (rows.length === 0) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  } finally {
    await client.end();
  }
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
