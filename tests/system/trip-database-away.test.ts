import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type CuttableProxy, startCuttableProxy } from '../support/cuttable-proxy.ts';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { json } from '../support/fleet.ts';
import { connectClient, type Received, type TestClient } from '../support/mqtt-client.ts';
import { type Platform, request, startPlatform, token } from '../support/platform.ts';
import { expectProblem } from '../support/rest.ts';
import {
  isLocationOf,
  isStatusOf,
  pickup,
  statusesOf,
  subackOf,
  type TripDesk,
  takeUp,
  tripDesk,
} from '../support/trips.ts';

let database: TestDatabase;
let proxy: CuttableProxy;
let platform: Platform;
let desk: TripDesk;
const clients: TestClient[] = [];

beforeAll(async () => {
  database = await createMigratedDatabase();
  proxy = await startCuttableProxy(database.url);
  platform = await startPlatform({ DATABASE_URL: proxy.url, OFFLINE_GRACE_MS: '200' });
  desk = tripDesk(platform);
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.end()));
  await proxy?.restore();
  await platform?.stop();
  await proxy?.cut();
  await database?.drop();
});

async function connect(
  role: 'RIDER' | 'DRIVER' | 'OPERATOR',
  sub: string,
  options: Parameters<typeof connectClient>[2] = {},
): Promise<TestClient> {
  const client = await connectClient(platform.urls.mqtt, await token(role, sub), options);
  clients.push(client);
  return client;
}

/** Takes the database away while `work` is done. */
async function without(work: () => Promise<void>): Promise<void> {
  await proxy.cut();
  try {
    await work();
  } finally {
    await proxy.restore();
  }
}

/** Until the platform has found the database again. */
async function databaseBack(): Promise<void> {
  const end = Date.now() + 20_000;
  while ((await request(platform, undefined, 'GET', '/health/ready')).status !== 200)
    if (Date.now() > end) throw new Error('the platform does not find its database');
}

test('riders who follow go on seeing their driver, and whoever comes then is refused', async () => {
  const trip = await desk.bookIn('EN_ROUTE', { riderId: 'ann', driverId: 'bob' });
  const other = await desk.book({ riderId: 'ann' });
  const rider = await connect('RIDER', 'ann');
  await rider.client.subscribeAsync(`trips/${trip.id}/#`, { qos: 1 });
  await rider.next(isStatusOf(trip.id));
  const driver = await connect('DRIVER', 'bob');
  const now = Date.now();
  let stored: Promise<unknown> = Promise.resolve();
  await without(async () => {
    for (let index = 0; index < 3; index++)
      stored = driver.client.publishAsync(
        `drivers/bob/location`,
        json({ ...pickup, recordedAt: now + index }),
        { qos: 1 },
      );
    await rider.next(isLocationOf(trip.id, now + 2));
    const late = await connect('RIDER', 'ann');
    // Who may follow this one is known from its first follower; of the other one nothing is
    expect(await subackOf(late, [`trips/${trip.id}/status`, `trips/${other.id}/status`])).toEqual([1, 128]);
    await late.next(isStatusOf(trip.id, 'EN_ROUTE'));
  });
  await stored;
  await databaseBack();
  expect(await subackOf(rider, `trips/${other.id}/status`)).toEqual([1]);
});

test('a transition waits, not acknowledged, and its driver stays; REST says that it is to be tried later', async () => {
  const trip = await desk.book({ riderId: 'ann', driverId: 'carl' });
  const driver = await connect('DRIVER', 'carl');
  const operator = await connect('OPERATOR', 'oscar');
  await operator.client.subscribeAsync('drivers/carl/location');
  const path = `/v1/trips/${trip.id}/status`;
  let isAcknowledged = false;
  let moved: Promise<unknown> = Promise.resolve();
  await without(async () => {
    moved = driver.client
      .publishAsync(`trips/${trip.id}/transition`, json({ status: 'EN_ROUTE' }), { qos: 1 })
      .then(() => {
        isAcknowledged = true;
      });
    const bearer = await token('SERVICE', 'desk');
    const answer = await request(platform, bearer, 'PATCH', path, { status: 'CANCELLED' });
    expectProblem(answer, 503, 'UNAVAILABLE');
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    driver.client.publish('drivers/carl/location', json(pickup), { qos: 1 });
    await operator.next(({ topic }) => topic === 'drivers/carl/location');
    expect(isAcknowledged).toBe(false);
  });
  await moved;
  await databaseBack();
  expect(driver.client.connected).toBe(true);
  expect(await desk.trip(trip.id)).toMatchObject({ status: 'EN_ROUTE', version: 2 });
  expect(await desk.events(trip.id)).toHaveLength(2);
});

test('a session that comes back meanwhile is not let in, and loses nothing of what waits in it', async () => {
  const trip = await desk.book({ riderId: 'dora', driverId: 'emil' });
  const comeBack = async () => {
    const client = await takeUp(platform.urls.mqtt, await token('RIDER', 'dora'), 'phone');
    clients.push(client);
    return client;
  };
  const before = await comeBack();
  await before.client.subscribeAsync(`trips/${trip.id}/status`, { qos: 1 });
  await before.next(isStatusOf(trip.id, 'PENDING'));
  await before.end();
  const operator = await connect('OPERATOR', 'olga');
  await operator.client.subscribeAsync('trips/+/status', { qos: 1 });
  for (const status of ['EN_ROUTE', 'ARRIVED'] as const) await desk.move(trip.id, status);
  // Told, and so in the queue
  await operator.next(isStatusOf(trip.id, 'ARRIVED'));
  await without(async () => {
    await expect(comeBack()).rejects.toThrow('closed before CONNACK');
  });
  await databaseBack();
  await desk.move(trip.id, 'IN_PROGRESS');
  const after = await comeBack();
  await desk.move(trip.id, 'COMPLETED');
  await after.next(isStatusOf(trip.id, 'COMPLETED'), 10_000);
  // What was told when its database went away may be told again, with all that follows
  const versions = statusesOf(after, trip.id).map(({ version }) => version);
  let newest = 1;
  for (const version of versions) {
    expect({ versions, ok: version <= newest + 1 }).toEqual({ versions, ok: true });
    newest = Math.max(newest, version);
  }
  expect(newest).toBe(5);
});

test('a driver who is lost meanwhile is OFFLINE once it can be stored', async () => {
  const operator = await connect('OPERATOR', 'otto');
  await operator.client.subscribeAsync('drivers/fred/status', { qos: 1 });
  const driver = await connect('DRIVER', 'fred');
  await driver.client.publishAsync('drivers/fred/status', json({ status: 'BUSY' }), { qos: 1 });
  const is = (status: string) => (message: Received) =>
    (message.payload as { status: string }).status === status;
  await operator.next(is('BUSY'));
  await without(async () => {
    await driver.end();
    // The failure to store it is logged
    const end = Date.now() + 10_000;
    while (!platform.output.some((line) => line.includes('fred') && line.includes('could not be stored')))
      if (Date.now() > end) throw new Error('it was not tried');
      else await new Promise((resolve) => setTimeout(resolve, 50));
  });
  await operator.next(is('OFFLINE'), 20_000);
});

test('the process stops when it is told to', async () => {
  await proxy.cut();
  expect(await platform.stop()).toBe(0);
});
