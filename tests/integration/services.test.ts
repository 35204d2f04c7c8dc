import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { pingRedis } from '../support/services/redis.ts';

describe('a database made for a test', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());

  test('has PostGIS to offer', async () => {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    try {
      await client.query('create extension postgis');
      const { rows } = await client.query('select PostGIS_Version() as version');
      expect(rows[0].version).toMatch(/^3\.\d+ /);
    } finally {
      await client.end();
    }
  });

  test('is empty, and gone after it was dropped, also while somebody is connected', async () => {
    const other = await createTestDatabase();
    const client = new Client({ connectionString: other.url });
    const cutOff = new Promise((resolve) => client.on('error', resolve));
    await client.connect();
    const { rows } = await client.query("select from pg_tables where schemaname = 'public'");
    expect(rows).toHaveLength(0);

    await other.drop();
    await cutOff;
    await expect(new Client({ connectionString: other.url }).connect()).rejects.toMatchObject({
      code: '3D000',
    });
  });
});

test('Redis answers PING', async () => {
  await pingRedis(process.env.TEST_REDIS_URL ?? '');
});
