import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Fleet, json, startFleet } from '../support/fleet.ts';
import type { TestClient } from '../support/mqtt-client.ts';
import { token } from '../support/platform.ts';
import {
  isLocationOf,
  isStatusOf,
  locationsOf,
  pickup,
  type StatusMessage,
  statusesOf,
  type TripDesk,
  takeUp,
  tripDesk,
} from '../support/trips.ts';

let fleet: Fleet;
let desk: TripDesk;
let service: TestClient;
let names = 0;

beforeAll(async () => {
  fleet = await startFleet();
  desk = tripDesk(fleet.platform);
  service = await fleet.client('SERVICE', 'devices');
});
afterAll(() => fleet?.stop());

const people = () => ({ riderId: `rider-${names}`, driverId: `driver-${names++}` });
const ride = ['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED'] as const;

/** A rider whose session outlives its connections, over WebSocket. */
const comeBack = async (riderId: string) =>
  takeUp(fleet.platform.urls.ws, await token('RIDER', riderId), 'phone');

/** The versions that a client was told of after the first: that one may not have been acknowledged before the cut, and come again. */
const changesOf = (client: TestClient, tripId: string) =>
  statusesOf(client, tripId)
    .map(({ version }) => version)
    .filter((version) => version > 1);

/** The connection is cut, as in a tunnel: no DISCONNECT. */
const cut = (client: TestClient) =>
  new Promise<void>((resolve) => {
    client.client.once('close', () => resolve());
    client.client.stream.destroy();
  });

const drive = (driverId: string, recordedAt = Date.now()) =>
  service.client.publishAsync(`drivers/${driverId}/location`, json({ ...pickup, recordedAt }), { qos: 1 });

test.each([1, 2] as const)(
  'a rider who was away gets every status of that time in order at QoS %i, and no position of it',
  async (qos) => {
    const { riderId, driverId } = people();
    const trip = await desk.book({ riderId, driverId });
    const before = await comeBack(riderId);
    await before.client.subscribeAsync([`trips/${trip.id}/#`, `riders/${riderId}/trips`], { qos });
    await before.next(isStatusOf(trip.id, 'PENDING'));
    await cut(before);
    for (const status of ride) {
      await desk.move(trip.id, status);
      await drive(driverId);
    }
    const later = await desk.book({ riderId });
    const after = await comeBack(riderId);
    expect(after.sessionPresent).toBe(true);
    await after.next(
      ({ topic, payload }) => topic.endsWith('/trips') && (payload as StatusMessage).tripId === later.id,
    );
    await after.next(isStatusOf(trip.id, 'COMPLETED'));
    expect(changesOf(after, trip.id)).toEqual([2, 3, 4, 5]);
    const told = after.received
      .filter(({ topic }) => topic === `riders/${riderId}/trips`)
      .map(({ payload }) => payload as StatusMessage)
      // That it was booked may have been told, and not been acknowledged, before the cut
      .filter(({ tripId, version }) => tripId !== trip.id || version > 1);
    expect(told.map(({ version }) => version)).toEqual([2, 3, 4, 5, 1]);
    expect(after.received.every((message) => message.qos === qos && !message.retain)).toBe(true);
    expect(locationsOf(after, trip.id)).toEqual([]);
    await after.end();
  },
);

test('a rider who comes back and asks for the trip again at once gets what waited, and then the snapshot', async () => {
  for (let round = 0; round < 5; round++) {
    const { riderId, driverId } = people();
    const trip = await desk.book({ riderId, driverId });
    const filters = [`trips/${trip.id}/status`, `trips/${trip.id}/location`];
    const before = await comeBack(riderId);
    await before.client.subscribeAsync(filters, { qos: 1 });
    await before.next(isStatusOf(trip.id, 'PENDING'));
    await cut(before);
    for (const status of ['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS'] as const) await desk.move(trip.id, status);
    const after = await comeBack(riderId);
    for (const filter of filters) after.client.subscribe(filter, { qos: 1 });
    await after.next((message) => isStatusOf(trip.id, 'IN_PROGRESS')(message) && message.retain);
    await desk.move(trip.id, 'COMPLETED');
    await after.next(isStatusOf(trip.id, 'COMPLETED'));
    expect(changesOf(after, trip.id)).toEqual([2, 3, 4, 5]);
    await after.end();
  }
});

test('a rider who comes back goes on with what happens now', async () => {
  const { riderId, driverId } = people();
  const trip = await desk.book({ riderId, driverId });
  const before = await comeBack(riderId);
  await before.client.subscribeAsync(`trips/${trip.id}/#`, { qos: 1 });
  await before.next(isStatusOf(trip.id, 'PENDING'));
  await cut(before);
  await desk.move(trip.id, 'EN_ROUTE');
  const after = await comeBack(riderId);
  await after.next(isStatusOf(trip.id, 'EN_ROUTE'));
  const now = Date.now();
  await drive(driverId, now);
  await after.next(isLocationOf(trip.id, now));
  await desk.move(trip.id, 'ARRIVED');
  await after.next(isStatusOf(trip.id, 'ARRIVED'));
  expect(changesOf(after, trip.id)).toEqual([2, 3]);
  await after.end();
});

test('a rider whose connection is cut again and again while trips move misses nothing, and has all of it in order', async () => {
  const { riderId } = people();
  const trips = await Promise.all(Array.from({ length: 24 }, () => desk.book({ ...people(), riderId })));
  let phone = await comeBack(riderId);
  const all: TestClient[] = [phone];
  await phone.client.subscribeAsync(
    trips.map(({ id }) => `trips/${id}/status`),
    { qos: 1 },
  );
  for (const { id } of trips) await phone.next(isStatusOf(id));
  let moving = true;
  const moved = Promise.all(
    trips.map(async ({ id }) => {
      for (const status of ride) await desk.move(id, status);
    }),
  ).finally(() => {
    moving = false;
  });
  while (moving) {
    await cut(phone);
    phone = await comeBack(riderId);
    all.push(phone);
  }
  await moved;
  const missing = () =>
    trips.filter(({ id }) => !all.some((one) => one.received.some(isStatusOf(id, 'COMPLETED'))));
  for (const { id } of missing()) await phone.next(isStatusOf(id, 'COMPLETED'), 20_000);
  expect(all.length).toBeGreaterThan(2);
  for (const { id } of trips) {
    // What was sent and not acknowledged before a cut comes again: each connection by itself has it in order
    const perConnection = all.map((one) => statusesOf(one, id).map(({ version }) => version));
    for (const versions of perConnection) expect(versions).toEqual([...versions].sort());
    let newest = 0;
    for (const version of perConnection.flat()) {
      expect([perConnection, version <= newest + 1]).toEqual([perConnection, true]);
      newest = Math.max(newest, version);
    }
    expect(newest).toBe(5);
  }
  await phone.end();
});
