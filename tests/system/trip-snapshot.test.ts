import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Fleet, json, startFleet } from '../support/fleet.ts';
import type { Received, TestClient } from '../support/mqtt-client.ts';
import { token } from '../support/platform.ts';
import { decodePublish, encode, loginTcp, TYPE } from '../support/raw-mqtt.ts';
import {
  insertTrips,
  isLocationOf,
  isStatusOf,
  type LocationMessage,
  locationsOf,
  pickup,
  type StatusMessage,
  statusesOf,
  type TripDesk,
  type TripStatus,
  tripDesk,
  tripStatuses,
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

async function drive(driverId: string, fields: Record<string, unknown> = {}): Promise<number> {
  const recordedAt = Date.now();
  const payload = json({ ...pickup, recordedAt, ...fields });
  await service.client.publishAsync(`drivers/${driverId}/location`, payload, { qos: 1 });
  return recordedAt;
}

/** Everything that this client was sent before it has an answer to something new. */
async function settled(client: TestClient, riderId: string): Promise<readonly Received[]> {
  const marker = await desk.book({ riderId });
  await client.client.subscribeAsync(`trips/${marker.id}/status`, { qos: 0 });
  await client.next(isStatusOf(marker.id));
  return client.received.filter(({ topic }) => !topic.includes(marker.id));
}

const kindsOf = (messages: readonly Received[]) =>
  [
    ...new Set(messages.map(({ topic, retain }) => `${topic.split('/')[2]}${retain ? ', retained' : ''}`)),
  ].sort();

const underWay: readonly TripStatus[] = ['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS'];

describe('on SUBSCRIBE', () => {
  test.each(tripStatuses)('to a trip that is %s its rider gets at once what it may see', async (status) => {
    const { riderId, driverId } = people();
    await drive(driverId);
    const trip = await desk.bookIn(status, { riderId, driverId });
    const rider = await fleet.client('RIDER', riderId, { url: fleet.platform.urls.ws });
    await rider.client.subscribeAsync(`trips/${trip.id}/#`, { qos: 1 });
    const messages = await settled(rider, riderId);
    const snapshot = messages.find(({ topic }) => topic.endsWith('/status'));
    expect(snapshot).toMatchObject({
      retain: true,
      qos: 1,
      payload: { tripId: trip.id, status, version: trip.version, at: trip.updatedAt, driverId },
    });
    expect(kindsOf(messages.filter(({ retain }) => retain))).toEqual(
      underWay.includes(status) ? ['location, retained', 'status, retained'] : ['status, retained'],
    );
  });

  test('the location is that of the last position, also of one before the driver set out', async () => {
    const { riderId, driverId } = people();
    const before = await drive(driverId, { speed: 3 });
    const trip = await desk.bookIn('EN_ROUTE', { riderId, driverId });
    const rider = await fleet.client('RIDER', riderId);
    await rider.client.subscribeAsync(`trips/${trip.id}/location`, { qos: 2 });
    const first = await rider.next(isLocationOf(trip.id, before));
    expect(first).toMatchObject({ retain: true, qos: 0 });
    expect(first.payload).toEqual({
      tripId: trip.id,
      driverId,
      ...pickup,
      speed: 3,
      recordedAt: new Date(before).toISOString(),
      receivedAt: expect.any(String),
      eta: { seconds: 0, meters: 0, to: 'pickup' },
    });
    const later = await drive(driverId, { latitude: 48.1 });
    const other = await fleet.client('RIDER', riderId);
    await other.client.subscribeAsync(`trips/${trip.id}/location`);
    expect((await other.next(isLocationOf(trip.id))).payload).toMatchObject({
      recordedAt: new Date(later).toISOString(),
    });
  });

  test('a trip whose driver was never heard of has a status and no location', async () => {
    const { riderId, driverId } = people();
    const trip = await desk.bookIn('EN_ROUTE', { riderId, driverId });
    const rider = await fleet.client('RIDER', riderId);
    await rider.client.subscribeAsync(`trips/${trip.id}/#`, { qos: 1 });
    expect(kindsOf((await settled(rider, riderId)).filter(({ retain }) => retain))).toEqual([
      'status, retained',
    ]);
  });

  test('a trip of long ago is told as it was when it ended', async () => {
    const { riderId, driverId } = people();
    const [id = ''] = await insertTrips(fleet.databaseUrl, [{ status: 'COMPLETED', riderId, driverId }]);
    const { updatedAt } = await desk.trip(id);
    const rider = await fleet.client('RIDER', riderId);
    await rider.client.subscribeAsync(`trips/${id}/#`, { qos: 1 });
    expect((await rider.next(isStatusOf(id))).payload).toEqual({
      tripId: id,
      status: 'COMPLETED',
      previous: null,
      version: 5,
      at: updatedAt,
      driverId,
    });
  });

  test.each([
    ['in one SUBSCRIBE', true],
    ['in two that are sent in one go', false],
  ])('status and location, asked for %s, both come', async (_name, together) => {
    const { riderId, driverId } = people();
    await drive(driverId);
    const trip = await desk.bookIn('EN_ROUTE', { riderId, driverId });
    const filters = [`trips/${trip.id}/status`, `trips/${trip.id}/location`];
    for (let round = 0; round < 10; round++) {
      const rider = await fleet.client('RIDER', riderId, { url: fleet.platform.urls.ws });
      if (together) rider.client.subscribe(filters, { qos: 1 });
      else for (const filter of filters) rider.client.subscribe(filter, { qos: 1 });
      await Promise.all([rider.next(isStatusOf(trip.id)), rider.next(isLocationOf(trip.id))]);
    }
  });

  test('many SUBSCRIBEs in one packet of the network, each is answered with its own snapshot', async () => {
    const { riderId, driverId } = people();
    await drive(driverId);
    const trip = await desk.bookIn('EN_ROUTE', { riderId, driverId });
    const connection = await loginTcp(fleet.platform.ports.mqtt, { token: await token('RIDER', riderId) });
    const kinds = ['status', 'location', '#', '+', 'status', 'location'];
    connection.send(
      ...kinds.map((kind, index) => encode.subscribe(index + 1, [[`trips/${trip.id}/${kind}`, 0] as const])),
    );
    const wanted = { status: 4, location: 4 };
    const seen = { status: 0, location: 0 };
    while (seen.status < wanted.status || seen.location < wanted.location) {
      const { topic, retain } = decodePublish(await connection.next(TYPE.PUBLISH));
      if (retain) seen[topic.endsWith('status') ? 'status' : 'location']++;
    }
    expect(seen).toEqual(wanted);
    connection.end();
  });

  test('a second SUBSCRIBE with the same filter brings the snapshot again', async () => {
    const { riderId, driverId } = people();
    const trip = await desk.bookIn('ARRIVED', { riderId, driverId });
    const rider = await fleet.client('RIDER', riderId);
    for (const qos of [0, 1] as const) {
      await rider.client.subscribeAsync(`trips/${trip.id}/status`, { qos });
      await rider.next((message) => isStatusOf(trip.id)(message) && message.retain && message.qos === qos);
    }
  });
});

test('whoever comes while positions flow and the trip moves on never sees an older one after a newer one', async () => {
  const { riderId, driverId } = people();
  const trip = await desk.book({ riderId, driverId });
  let driving = true;
  let sent = 0;
  const driver = (async () => {
    while (driving) await drive(driverId, { latitude: 48 + sent++ / 10_000 });
  })();
  const riders: TestClient[] = [];
  const come = async (): Promise<void> => {
    const rider = await fleet.client('RIDER', riderId, { url: fleet.platform.urls.ws });
    riders.push(rider);
    rider.client.subscribe([`trips/${trip.id}/location`, `trips/${trip.id}/status`], { qos: 1 });
    await rider.client.subscribeAsync(`trips/${trip.id}/#`, { qos: 1 });
  };
  for (const status of underWay) {
    await Promise.all([come(), come(), desk.move(trip.id, status), come(), come()]);
    await Promise.all(Array.from({ length: 8 }, come));
    const now = await drive(driverId);
    await Promise.all(riders.map((rider) => rider.next((message) => recordedAtOf(message) >= now, 20_000)));
  }
  await desk.move(trip.id, 'COMPLETED');
  driving = false;
  await driver;
  await Promise.all(riders.map((rider) => rider.next(isStatusOf(trip.id, 'COMPLETED'), 20_000)));
  expect(riders).toHaveLength(36);
  for (const rider of riders) {
    const times = locationsOf(rider, trip.id).map(({ recordedAt }) => Date.parse(recordedAt));
    expect(times.length).toBeGreaterThan(1);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    const versions = statusesOf(rider, trip.id).map(({ version }) => version);
    expect(versions).toEqual([...versions].sort());
    expect(versions).toEqual(
      Array.from({ length: 6 - (versions[0] ?? 0) }, (_, index) => (versions[0] ?? 0) + index),
    );
  }
});

test('whoever comes while changes are still on their way is not told of an older one afterwards', async () => {
  await Promise.all(
    Array.from({ length: 24 }, async () => {
      const { riderId, driverId } = people();
      const trip = await desk.book({ riderId, driverId });
      const [rider, driver] = await Promise.all([
        fleet.client('RIDER', riderId, { url: fleet.platform.urls.ws }),
        fleet.client('DRIVER', driverId),
      ]);
      const changes = [...underWay, 'COMPLETED'].map((status) =>
        driver.client.publishAsync(`trips/${trip.id}/transition`, json({ status }), { qos: 1 }),
      );
      await changes[1];
      await rider.client.subscribeAsync(`trips/${trip.id}/status`, { qos: 1 });
      await rider.next(isStatusOf(trip.id, 'COMPLETED'), 20_000);
      await Promise.all(changes);
      const versions = statusesOf(rider, trip.id).map(({ version }) => version);
      expect(versions).toEqual([...versions].sort());
      expect(versions.at(-1)).toBe(5);
      await Promise.all([rider.end(), driver.end()]);
    }),
  );
});

/** Epoch ms of a location message; NaN of any other. */
const recordedAtOf = ({ topic, payload }: Received): number =>
  topic.endsWith('/location') ? Date.parse((payload as LocationMessage).recordedAt) : Number.NaN;

test('a subscription by QoS 0 of statuses is no worse off than one of QoS 1', async () => {
  const { riderId, driverId } = people();
  const trip = await desk.book({ riderId, driverId });
  const rider = await fleet.subscriber('RIDER', riderId, `trips/${trip.id}/status`, 0);
  for (const status of [...underWay, 'COMPLETED'] as const) await desk.move(trip.id, status);
  await rider.next(isStatusOf(trip.id, 'COMPLETED'));
  expect(statusesOf(rider, trip.id).map(({ version }: StatusMessage) => version)).toEqual([1, 2, 3, 4, 5]);
});
