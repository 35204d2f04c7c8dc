import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { until } from '../support/cluster.ts';
import { type CuttableProxy, startCuttableProxy } from '../support/cuttable-proxy.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { json } from '../support/fleet.ts';
import { connectClient, type TestClient } from '../support/mqtt-client.ts';
import { type Platform, request, startPlatform, token } from '../support/platform.ts';
import { newPrefix } from '../support/redis.ts';
import { expectProblem } from '../support/rest.ts';
import { pickup, subackOf, type TripBody, tripDesk } from '../support/trips.ts';

/** More than the process has connections to its database. */
const CROWD = 30;

let database: TestDatabase;
let postgres: CuttableProxy;
let redis: CuttableProxy;
let platform: Platform;
let bearer: string;
let trip: TripBody;
let operator: TestClient;
const clients: TestClient[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  postgres = await startCuttableProxy(database.url);
  redis = await startCuttableProxy(process.env.TEST_REDIS_URL ?? '');
  platform = await startPlatform({
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    REDIS_PREFIX: newPrefix(),
  });
  bearer = await token('SERVICE', 'desk');
  trip = await tripDesk(platform).book({ riderId: 'ann' });
  operator = await connect('OPERATOR', 'olga');
  expect(await subackOf(operator, 'drivers/+/location')).toEqual([1]);
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.end()));
  await Promise.all([postgres?.restore(), redis?.restore()]);
  await platform?.stop();
  await Promise.all([postgres?.cut(), redis?.cut()]);
  await database?.drop();
});

async function connect(role: 'DRIVER' | 'OPERATOR', sub: string): Promise<TestClient> {
  const client = await connectClient(platform.urls.mqtt, await token(role, sub));
  clients.push(client);
  return client;
}

const readTrip = () => request(platform, bearer, 'GET', `/v1/trips/${trip.id}`);

async function circuit(dependency: string): Promise<number> {
  const text = await (await fetch(`${platform.urls.metrics}/metrics`)).text();
  return Number(
    new RegExp(`^fleetcast_circuit_state{dependency="${dependency}"} (\\d)$`, 'm').exec(text)?.[1],
  );
}

async function readiness(): Promise<{ status: number; checks: Record<string, string> }> {
  const response = await fetch(`${platform.urls.metrics}/health/ready`);
  const { checks } = (await response.json()) as { checks: Record<string, string> };
  return { status: response.status, checks };
}

/** A new driver logs in and publishes; who follows it sees it. `acknowledged` settles when its sender is told so. */
async function drive(sub: string): Promise<{ acknowledged: Promise<unknown> }> {
  const driver = await connect('DRIVER', sub);
  const acknowledged = driver.client.publishAsync(`drivers/${sub}/location`, json(pickup), { qos: 1 });
  await operator.next(({ topic }) => topic === `drivers/${sub}/location`);
  return { acknowledged };
}

const stored = (sub: string) =>
  until(
    () => request(platform, bearer, 'GET', `/v1/drivers/${sub}/location`),
    ({ status }) => status === 200,
  );

test('while all is well the circuits are closed', async () => {
  for (const dependency of ['database', 'redis', 'position_log']) expect(await circuit(dependency)).toBe(0);
  expect(await readiness()).toMatchObject({ status: 200 });
});

describe.each([
  ['refuses connections', () => postgres.cut()],
  ['swallows what it is sent', () => postgres.hang()],
])('PostgreSQL %s', (name, away) => {
  const driver = `driver-${name.length}`;

  test('a crowd of requests is told to come back, and whoever comes then at once', async () => {
    await away();
    const startedAt = performance.now();
    const answers = await Promise.all(Array.from({ length: CROWD }, readTrip));
    for (const answer of answers) {
      expectProblem(answer, 503, 'UNAVAILABLE');
      expect(answer.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
    }
    // Some seconds. A statement's own time is 30, and each further turn of the pool 5 more
    expect(performance.now() - startedAt).toBeLessThan(15_000);
    await until(
      () => circuit('database'),
      (value) => value > 0,
    );
    expect(await readiness()).toMatchObject({
      status: 503,
      checks: { database: 'CIRCUIT_OPEN', redis: 'ok' },
    });
    const askedAt = performance.now();
    expectProblem(await readTrip(), 503, 'UNAVAILABLE');
    expect(performance.now() - askedAt).toBeLessThan(2000);
  });

  test('a trip that Redis knows can be followed, another one can not; drivers log in, publish, are seen and acknowledged', async () => {
    const startedAt = performance.now();
    const late = await connect('OPERATOR', 'otto');
    expect(await subackOf(late, [`trips/${trip.id}/status`, 'drivers/+/location'])).toEqual([1, 1]);
    expect(await subackOf(late, `trips/${randomUUID()}/status`)).toEqual([128]);
    await (await drive(driver)).acknowledged;
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  test('it is back: everything goes on by itself, and what was acknowledged is stored', async () => {
    await postgres.restore();
    await until(
      async () => (await readTrip()).status,
      (status) => status === 200,
    );
    for (const { status } of await Promise.all(Array.from({ length: CROWD }, readTrip)))
      expect(status).toBe(200);
    await stored(driver);
    await until(readiness, ({ status }) => status === 200);
    expect(await circuit('database')).toBe(0);
  });
});

describe.each([
  ['refuses connections', () => redis.cut()],
  ['swallows what it is sent', () => redis.hang()],
])('Redis %s', (name, away) => {
  const driver = `driver-of-redis-${name.length}`;
  let acknowledged: Promise<unknown>;

  test('drivers log in, publish and are seen, and are not acknowledged; REST reads; readiness tells', async () => {
    await away();
    let isAcknowledged = false;
    ({ acknowledged } = await drive(driver));
    const note = () => {
      isAcknowledged = true;
    };
    acknowledged.then(note, note);
    await until(
      () => circuit('redis'),
      (state) => state > 0,
    );
    expect(await readiness()).toMatchObject({
      status: 503,
      checks: { database: 'ok', redis: 'CIRCUIT_OPEN' },
    });
    expect((await readTrip()).status).toBe(200);
    const startedAt = performance.now();
    await drive(`${driver}-late`);
    expect(performance.now() - startedAt).toBeLessThan(5000);
    expect(isAcknowledged).toBe(false);
  });

  test('it is back: what was held is acknowledged and stored', async () => {
    await redis.restore();
    await acknowledged;
    await stored(driver);
    await stored(`${driver}-late`);
    await until(readiness, ({ status }) => status === 200);
    for (const dependency of ['redis', 'position_log']) expect(await circuit(dependency)).toBe(0);
  });
});

test('while both swallow what they are sent, a process ends as it should, and a new one does not wait for ever', async () => {
  postgres.hang();
  redis.hang();
  const started = startPlatform({ DATABASE_URL: postgres.url, REDIS_URL: redis.url });
  const [status] = await Promise.all([
    platform.stop(),
    expect(started).rejects.toThrow(/the platform ended with status 1:\n(.*\n)*.*could not start/),
  ]);
  expect(status).toBe(0);
});
