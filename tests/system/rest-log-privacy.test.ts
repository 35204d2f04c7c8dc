import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { type CuttableProxy, startCuttableProxy } from '../support/cuttable-proxy.ts';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { connectClient } from '../support/mqtt-client.ts';
import { type Platform, request, startPlatform, TEST_SECRET, token } from '../support/platform.ts';
import { caller, sendRaw } from '../support/rest.ts';

let database: TestDatabase;
let proxy: CuttableProxy;
let platform: Platform;

/** Nobody else has these figures: where they turn up, a position has. */
const latitude = 48.20813577;
const longitude = 16.37159246;
const tokens: string[] = [];
let databasePassword: string;

/** The database goes while it works on statements that have positions in them. */
async function loseQueriesUnderWay(bearer: string): Promise<void> {
  const { get, post } = caller(platform, bearer);
  const blocker = new Client({ connectionString: database.url });
  await blocker.connect();
  await blocker.query('begin; lock table driver_locations in access exclusive mode');
  const asked = get(`/v1/drivers/nearby?latitude=${latitude}&longitude=${longitude}`);
  const sent = post('/v1/drivers/driver-4/location', { latitude, longitude });
  const waiting = async () =>
    (
      await blocker.query(
        "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      )
    ).rows.length;
  while ((await waiting()) < 2) await sleep(20);
  await proxy.cut();
  await blocker.query('rollback');
  await blocker.end();
  expect((await asked).status).toBe(503);
  await proxy.restore();
  expect((await sent).status).toBe(202);
  await proxy.cut();
}

/** Everything that can go well or wrong on the way of a position, at the most talkative level. */
async function useEverything(): Promise<void> {
  const makeToken = async (...args: Parameters<typeof token>) => {
    const made = await token(...args);
    tokens.push(made);
    return made;
  };
  const bearer = await makeToken('SERVICE', 'service-1');
  const { get, post, put } = caller(platform, bearer);
  const position = { latitude, longitude };
  await post('/v1/drivers/driver-1/location', position);
  await post('/v1/drivers/driver-1/location', { ...position, speed: -1 });
  await post('/v1/drivers/driver-1/location', { ...position, recordedAt: 1 });
  await post('/v1/drivers/driver-1/locations', [position, { ...position, bearing: 400 }]);
  await post('/v1/drivers/driver-1/location', `{"latitude":${latitude},"longitude":${longitude}`);
  await put('/v1/drivers/driver-1/status', { status: 'BUSY', latitude, longitude });
  await get(`/v1/drivers/nearby?latitude=${latitude}&longitude=${longitude}`);
  await get(`/v1/drivers/nearby?latitude=${latitude}&longitude=${longitude}&radius=x`);
  await get(`/v1/drivers/${latitude}%20${longitude}/location`);
  await request(platform, `${bearer}x`, 'GET', '/v1/drivers/driver-1/location');
  await request(platform, await makeToken('RIDER', 'rider-1'), 'GET', '/v1/drivers/driver-1/location');
  await request(platform, undefined, 'GET', `/v1/drivers/driver-1/location?token=${bearer}`);
  await sendRaw(
    platform.ports.api,
    `GET /?token=${bearer} NONSENSE\r\nAuthorization: Bearer ${bearer}\r\n\r\n`,
  );

  for (const url of [platform.urls.mqtt, platform.urls.ws]) {
    const driver = await connectClient(url, await makeToken('DRIVER', 'driver-2'));
    await driver.client.subscribeAsync('drivers/driver-2/errors', { qos: 1 });
    for (const body of [position, { ...position, speed: -1 }, `${latitude},${longitude}`])
      await driver.client.publishAsync('drivers/driver-2/location', JSON.stringify(body), { qos: 1 });
    await driver.client.publishAsync('drivers/driver-9/location', JSON.stringify(position), { qos: 1 });
    await driver.client.publishAsync('session/token', bearer, { qos: 1 });
    await driver.end();
  }
  const expired = await makeToken('DRIVER', 'driver-3', { ttlSeconds: -10 });
  await expect(connectClient(platform.urls.mqtt, expired)).rejects.toMatchObject({ code: 4 });

  await loseQueriesUnderWay(bearer);
  const waiting = post('/v1/drivers/driver-1/location', position);
  await get(`/v1/drivers/nearby?latitude=${latitude}&longitude=${longitude}`);
  await put('/v1/drivers/driver-1/status', { status: 'ONLINE' });
  await proxy.restore();
  expect((await waiting).status).toBe(202);
}

beforeAll(async () => {
  database = await createMigratedDatabase();
  proxy = await startCuttableProxy(database.url);
  // A server that trusts everybody looks at no password: then any will do
  const url = new URL(proxy.url);
  url.password ||= 'the-password-of-the-database';
  databasePassword = url.password;
  platform = await startPlatform({ DATABASE_URL: url.href, LOG_LEVEL: 'trace' });
  await useEverything();
});
afterAll(async () => {
  await platform?.stop();
  await proxy?.cut();
  await database?.drop();
});

describe('the output of the process, at its most talkative', () => {
  const output = () => platform.output.join('\n');

  test('tells what happened', () => {
    expect(output()).toMatch(/"msg":"login refused"/);
    expect(output()).toMatch(/"msg":"connection opened"/);
    expect(output()).toMatch(/"msg":"request failed"/);
    expect(output()).toMatch(/"message":"Connection terminated unexpectedly"/);
    expect(output()).toMatch(/"msg":"positions could not be stored; trying again"/);
  });

  test('is one JSON object a line', () => {
    for (const line of platform.output) expect(() => JSON.parse(line)).not.toThrow();
  });

  test('holds no token, not even a part of one', () => {
    expect(tokens.length).toBeGreaterThan(3);
    for (const part of tokens.flatMap((made) => made.split('.').slice(1)))
      expect(output()).not.toContain(part);
  });

  test('holds no secret and no password of the database', () => {
    expect(output()).not.toContain(TEST_SECRET);
    expect(output()).not.toContain(databasePassword);
  });

  test('holds no position', () => {
    for (const degrees of [latitude, longitude]) expect(output()).not.toContain(String(degrees).slice(0, 7));
  });
});
