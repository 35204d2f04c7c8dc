import { randomBytes } from 'node:crypto';
import { Client } from 'pg';

export interface TestDatabase {
  url: string;
  drop(): Promise<void>;
}

/** An empty database of its own for a test, on the server of this run unless said; its extensions are the migrations' job. */
export async function createTestDatabase(server = process.env.TEST_DATABASE_URL): Promise<TestDatabase> {
  if (!server)
    throw new Error('TEST_DATABASE_URL is not set: only tests/integration and tests/system have a server');
  const name = `fleetcast_test_${randomBytes(8).toString('hex')}`;
  // template0, because nobody is ever connected to it and nobody has put anything in it.
  await execute(server, `create database ${name} template template0 encoding 'UTF8'`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    drop: () => execute(server, `drop database if exists ${name} with (force)`),
  };
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
