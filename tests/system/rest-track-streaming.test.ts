import { request as httpRequest, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { type CountingProxy, startCountingProxy } from '../support/counting-proxy.ts';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { type Platform, request, startPlatform, token } from '../support/platform.ts';
import { caller } from '../support/rest.ts';

let database: TestDatabase;
let proxy: CountingProxy;
let platform: Platform;
let service: string;

beforeAll(async () => {
  database = await createMigratedDatabase();
  proxy = await startCountingProxy(database.url);
  platform = await startPlatform({ DATABASE_URL: proxy.url });
  service = await token('SERVICE', 'exports');
});
afterAll(async () => {
  await platform?.stop();
  await proxy?.stop();
  await database?.drop();
});

describe('a long history', () => {
  const COUNT = 100_000;
  let whole: number;

  beforeAll(async () => {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    await client.query(
      `insert into location_history (driver_id, recorded_at, received_at, location)
       select 'long-1', date_trunc('day', now(), 'UTC') + n * interval '1 millisecond', now(),
              'SRID=4326;POINT(16.37 48.2)'::geography
         from generate_series(1, $1::int) as n`,
      [COUNT],
    );
    await client.end();
    const before = proxy.received();
    const { body } = await caller(platform, service).get('/v1/drivers/long-1/history?format=csv');
    whole = proxy.received() - before;
    expect(String(body).split('\r\n')).toHaveLength(COUNT + 2);
    expect(whole).toBeGreaterThan(COUNT * 50);
  });

  const open = () =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const url = `${platform.urls.rest}/v1/drivers/long-1/history?format=csv`;
      const asked = httpRequest(
        url,
        { headers: { authorization: `Bearer ${service}` }, agent: false },
        resolve,
      );
      asked.on('error', reject);
      asked.end();
    });

  /** As long as reading it all took, or longer: other requests, one after the other. */
  async function meanwhile(): Promise<void> {
    const until = Date.now() + 1500;
    while (Date.now() < until) await caller(platform, service).get('/v1/drivers/nobody/location');
  }

  test('is read no further once its client has gone', async () => {
    const before = proxy.received();
    const answer = await open();
    await new Promise((resolve) => answer.once('data', resolve));
    answer.on('error', () => undefined);
    answer.destroy();
    await meanwhile();
    expect(proxy.received() - before).toBeLessThan(whole / 2);
  });

  test('is not read for HEAD, which is answered as GET is', async () => {
    const get = await open();
    const before = proxy.received();
    get.destroy();
    const head = await fetch(`${platform.urls.rest}/v1/drivers/long-1/history?format=csv`, {
      method: 'HEAD',
      headers: { authorization: `Bearer ${service}` },
    });
    await meanwhile();
    expect(head.status).toBe(200);
    for (const name of ['content-type', 'content-disposition', 'cache-control'])
      expect([name, head.headers.get(name)]).toEqual([name, get.headers[name]]);
    expect(proxy.received() - before).toBeLessThan(whole / 2);
  });

  test('is read no faster than its client takes it', async () => {
    const before = proxy.received();
    const answer = await open();
    answer.pause();
    await meanwhile();
    const held = proxy.received() - before;
    let bytes = 0;
    for await (const chunk of answer) bytes += (chunk as Buffer).length;
    expect(bytes).toBeGreaterThan(COUNT * 50);
    expect(held).toBeLessThan(whole * 0.9);
  });
});

test('an export that can not begin is answered as a problem', async () => {
  await proxy.stop();
  const answer = await request(platform, service, 'GET', '/v1/drivers/long-1/history?format=gpx');
  expect([answer.status, answer.headers.get('content-type')]).toEqual([
    503,
    expect.stringMatching(/^application\/problem\+json\b/),
  ]);
});
