import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connect } from 'mqtt';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { connectClient, type TestClient, watch } from '../support/mqtt-client.ts';
import { type Platform, startPlatform, token } from '../support/platform.ts';
import { freePort } from '../support/services/free-port.ts';
import {
  isLocationOf,
  isStatusOf,
  pickup,
  statusesOf,
  type TripBody,
  type TripDesk,
  tripDesk,
} from '../support/trips.ts';

let database: TestDatabase;
let env: Record<string, string>;
let platform: Platform;
const clients: TestClient[] = [];

beforeAll(async () => {
  database = await createMigratedDatabase();
  const names = ['MQTT_PORT', 'MQTT_WS_PORT', 'API_PORT', 'METRICS_PORT'];
  const ports = await Promise.all(names.map(() => freePort()));
  // The same ones after each start: clients come back to where they were
  env = Object.fromEntries(names.map((name, index) => [name, String(ports[index])]));
  platform = await startPlatform({ ...env, DATABASE_URL: database.url });
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.end()));
  await platform?.stop();
  await database?.drop();
});

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Tries again until the platform is there and has done it. Whatever was done without an answer is done twice: each of these may be. */
async function persist<T>(work: () => Promise<T>): Promise<T> {
  const end = Date.now() + 60_000;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (Date.now() > end) throw error;
      await pause(50);
    }
  }
}

/** A rider whose app comes back by itself and asks anew for what it followed: nothing is kept for it. */
async function rider(riderId: string): Promise<TestClient> {
  const client = watch(
    connect(platform.urls.ws, {
      username: 'x',
      password: await token('RIDER', riderId),
      clean: true,
      reconnectPeriod: 50,
      connectTimeout: 5000,
    }),
  );
  clients.push(client);
  await new Promise<void>((resolve) => client.client.once('connect', () => resolve()));
  return client;
}

const ride = ['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED'] as const;

/** One rider's trips, one after the other, until it is told to stop. */
async function ridesOf(
  name: string,
  desk: TripDesk,
  goesOn: () => boolean,
): Promise<[TestClient, TripBody[]]> {
  const client = await rider(name);
  const trips: TripBody[] = [];
  while (goesOn()) {
    const trip = await persist(() =>
      desk.book({ riderId: name, driverId: `${name}-driver-${trips.length}` }),
    );
    trips.push(trip);
    await persist(() => client.client.subscribeAsync(`trips/${trip.id}/status`, { qos: 1 }));
    await client.next(isStatusOf(trip.id), 60_000);
    for (const status of ride) {
      await persist(() => desk.move(trip.id, status));
      await pause(Math.random() * 60);
    }
    await client.next(isStatusOf(trip.id, 'COMPLETED'), 60_000);
    await persist(() => client.client.unsubscribeAsync(`trips/${trip.id}/status`));
  }
  return [client, trips];
}

test('whoever comes after a restart sees where the trip stands and where the car is', async () => {
  const desk = tripDesk(platform);
  const trip = await desk.bookIn('EN_ROUTE', { riderId: 'late', driverId: 'late-driver' });
  const driver = await connectClient(platform.urls.mqtt, await token('DRIVER', 'late-driver'));
  clients.push(driver);
  const recordedAt = Date.now();
  const payload = JSON.stringify({ ...pickup, speed: 5, recordedAt });
  await driver.client.publishAsync('drivers/late-driver/location', payload, { qos: 1 });
  await platform.kill();
  platform = await startPlatform({ ...env, DATABASE_URL: database.url });
  const client = await rider('late');
  await client.client.subscribeAsync(`trips/${trip.id}/#`, { qos: 1 });
  expect((await client.next(isStatusOf(trip.id, 'EN_ROUTE'))).retain).toBe(true);
  const location = await client.next(isLocationOf(trip.id, recordedAt));
  expect(location).toMatchObject({
    retain: true,
    payload: { tripId: trip.id, speed: 5, eta: { to: 'pickup' } },
  });
});

const ROUNDS = 6;

test('whenever the process is killed, every rider sees every version of its trips, in order and without a gap', async () => {
  // The addresses stay the same
  const desk = tripDesk(platform);
  let killing = true;
  const rides = Promise.all(
    Array.from({ length: 6 }, (_, index) => ridesOf(`rider-${index}`, desk, () => killing)),
  );
  for (let round = 0; round < ROUNDS; round++) {
    await pause(200 + Math.random() * 1000);
    await platform.kill();
    platform = await startPlatform({ ...env, DATABASE_URL: database.url });
  }
  killing = false;
  const seen = await rides;
  const trips = seen.flatMap(([client, own]) => own.map((trip) => ({ client, trip })));
  expect(trips.length).toBeGreaterThan(ROUNDS * 2);
  for (const { client, trip } of trips) {
    const versions = statusesOf(client, trip.id).map(({ version }) => version);
    let newest = 0;
    for (const version of versions) {
      expect({ versions, ok: version <= newest + 1 }).toEqual({ versions, ok: true });
      newest = Math.max(newest, version);
    }
    expect(newest).toBe(5);
    expect((await desk.events(trip.id)).map(({ version }) => version)).toEqual([1, 2, 3, 4, 5]);
  }
}, 120_000);
