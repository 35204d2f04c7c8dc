import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Role } from '../../shared/auth/identity.ts';
import { type ErrorMessage, type Fleet, json, startFleet } from '../support/fleet.ts';
import { connectClient, type TestClient } from '../support/mqtt-client.ts';
import { token } from '../support/platform.ts';
import {
  isLocationOf,
  isStatusOf,
  marked,
  pickup,
  statusesOf,
  subackOf,
  type TripBody,
  type TripDesk,
  type TripStatus,
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

const REFUSED = 128;

async function trip(
  status: TripStatus = 'EN_ROUTE',
  fields: Record<string, unknown> = {},
): Promise<TripBody> {
  const name = names++;
  return desk.bookIn(status, { riderId: `rider-${name}`, driverId: `driver-${name}`, ...fields });
}

async function drive(driverId: string | null): Promise<number> {
  const recordedAt = Date.now();
  const payload = json({ ...pickup, recordedAt });
  await service.client.publishAsync(`drivers/${driverId}/location`, payload, { qos: 1 });
  return recordedAt;
}

/** As another user; over WebSocket, as riders come. */
async function as(role: Role, sub: string, trips: string[] = []): Promise<TestClient> {
  const bearer = await token(role, sub, role === 'VIEWER' ? { trips } : {});
  return connectClient(fleet.platform.urls.ws, bearer);
}

const filtersOf = ({ id, riderId, driverId }: TripBody) => [
  `trips/${id}/status`,
  `trips/${id}/location`,
  `trips/${id}/#`,
  `trips/${id}/+`,
  'trips/+/status',
  'trips/+/location',
  'trips/#',
  'trips/+/#',
  `+/${id}/status`,
  `+/${id}/#`,
  '+/+/status',
  '+/+/location',
  '#',
  '+/#',
  `riders/${riderId}/trips`,
  `riders/${riderId}/#`,
  'riders/+/trips',
  `drivers/${driverId}/trips`,
  `drivers/${driverId}/location`,
  `drivers/${driverId}/status`,
  'drivers/+/location',
  'drivers/#',
  `trips/${id}/transition`,
  `trips/${id}`,
  'trips/x/status',
  `trips/${id.toUpperCase()}/status`,
];

describe.each([
  ['another rider', 'RIDER', 'eve'],
  ['a rider who is called like the driver', 'RIDER', 'driver-NAME'],
  ['another driver', 'DRIVER', 'eve'],
  ['a driver who is called like the rider', 'DRIVER', 'rider-NAME'],
  ['a viewer of another trip', 'VIEWER', 'guest'],
  ['a viewer who is called like the rider', 'VIEWER', 'rider-NAME'],
] as const)('%s', (_name, role, sub) => {
  test('is refused every filter that could match the trip, and gets nothing of it', async () => {
    const other = await trip();
    const target = await trip();
    const stranger = await as(role, sub.replace('NAME', target.riderId.slice('rider-'.length)), [other.id]);
    try {
      const filters = filtersOf(target);
      const codes = await subackOf(stranger, filters);
      expect(filters.map((filter, index) => [filter, codes[index]])).toEqual(
        filters.map((filter) => [filter, REFUSED]),
      );
      await drive(target.driverId);
      await desk.move(target.id, 'ARRIVED');
      await desk.move(target.id, 'CANCELLED');
      await marked(stranger);
      expect(stranger.received.filter(({ topic }) => !topic.endsWith('/errors'))).toEqual([]);
      expect(stranger.client.connected).toBe(true);
    } finally {
      await stranger.end();
    }
  });
});

test('a rider who moves a trip on over MQTT is told that this is forbidden, its own trip too', async () => {
  const { id, riderId } = await trip();
  const rider = await as('RIDER', riderId);
  await rider.client.subscribeAsync([`riders/${riderId}/errors`, `trips/${id}/status`], { qos: 1 });
  for (const status of ['ARRIVED', 'CANCELLED'])
    await rider.client.publishAsync(`trips/${id}/transition`, json({ status }), { qos: 1 });
  for (const kind of ['status', 'location', 'transition/x'])
    await rider.client.publishAsync(`trips/${id}/${kind}`, json({ status: 'COMPLETED' }), {
      qos: 1,
      retain: true,
    });
  await marked(rider);
  const errors = rider.received.filter(({ topic }) => topic === `riders/${riderId}/errors`);
  expect(errors.slice(0, 5).map(({ payload }) => (payload as ErrorMessage).code)).toEqual(
    Array(5).fill('FORBIDDEN'),
  );
  expect(statusesOf(rider, id).map(({ status }) => status)).toEqual(['EN_ROUTE']);
  expect((await desk.trip(id)).status).toBe('EN_ROUTE');
  await rider.end();
});

describe('a driver who is taken off a trip', () => {
  test('hears nothing more of it, from that moment on', async () => {
    const booked = await trip('PENDING');
    const former = await as('DRIVER', booked.driverId ?? '');
    await former.client.subscribeAsync([`trips/${booked.id}/#`, `trips/${booked.id}/status`], { qos: 1 });
    await former.next(isStatusOf(booked.id));
    await desk.plan(booked.id, { driverId: 'successor' });
    await desk.move(booked.id, 'EN_ROUTE');
    await drive('successor');
    await marked(former);
    expect(statusesOf(former, booked.id).map(({ version }) => version)).toEqual([1]);
    expect(await subackOf(former, [`trips/${booked.id}/status`, `trips/${booked.id}/#`])).toEqual([
      REFUSED,
      REFUSED,
    ]);
    expectNothingElse(former, booked.id, 1);
    await former.end();
  });

  test.each(['away', 'there'])(
    'does not hear of it on its return either, with a session that was %s then',
    async (where) => {
      const booked = await trip('PENDING');
      const driverId = booked.driverId ?? '';
      const before = await fleet.returning('DRIVER', driverId, 'tablet');
      await before.client.subscribeAsync([`trips/${booked.id}/#`, `drivers/${driverId}/trips`], { qos: 1 });
      await before.next(isStatusOf(booked.id));
      if (where === 'away') await before.end();
      await desk.plan(booked.id, { driverId: `${driverId}-successor` });
      await desk.move(booked.id, 'EN_ROUTE');
      if (where === 'there') await before.end();
      await desk.move(booked.id, 'ARRIVED');
      const after = await fleet.returning('DRIVER', driverId, 'tablet');
      expect(after.sessionPresent).toBe(true);
      await desk.move(booked.id, 'IN_PROGRESS');
      await drive(`${driverId}-successor`);
      const own = await desk.book({ driverId });
      await after.next(
        ({ topic, payload }) => topic.endsWith('/trips') && (payload as { tripId: string }).tripId === own.id,
      );
      expect(after.received.filter(({ topic }) => topic.startsWith('trips/'))).toEqual([]);
      const told = [...before.received, ...after.received].filter(({ topic }) => topic.endsWith('/trips'));
      const versions = told
        .map(({ payload }) => payload as { tripId: string; version: number })
        .filter(({ tripId }) => tripId === booked.id)
        .map(({ version }) => version);
      expect(versions.every((version) => version === 1)).toBe(true);
      await after.end();
    },
  );

  test('is refused to move it on, and the successor may', async () => {
    const booked = await trip('PENDING');
    const former = await as('DRIVER', booked.driverId ?? '');
    const successor = await as('DRIVER', 'next-driver');
    await former.client.subscribeAsync(`drivers/${booked.driverId}/errors`, { qos: 1 });
    await desk.plan(booked.id, { driverId: 'next-driver' });
    const go = (client: TestClient) =>
      client.client.publishAsync(`trips/${booked.id}/transition`, json({ status: 'EN_ROUTE' }), { qos: 1 });
    await go(former);
    await former.next(({ payload }) => (payload as ErrorMessage).code === 'TRIP_NOT_FOUND');
    expect((await desk.trip(booked.id)).version).toBe(2);
    await go(successor);
    expect(await desk.trip(booked.id)).toMatchObject({
      version: 3,
      status: 'EN_ROUTE',
      driverId: 'next-driver',
    });
    await Promise.all([former.end(), successor.end()]);
  });
});

function expectNothingElse(client: TestClient, tripId: string, statuses: number): void {
  const ofTrip = client.received.filter(({ topic }) => topic.startsWith(`trips/${tripId}/`));
  expect(new Set(ofTrip.map(({ topic }) => topic))).toEqual(new Set([`trips/${tripId}/status`]));
  expect(new Set(ofTrip.map(({ payload }) => (payload as { version: number }).version)).size).toBe(statuses);
}

test.each(['COMPLETED', 'CANCELLED'] as const)(
  'a subscription made before the trip was %s shows nothing of its driver afterwards',
  async (end) => {
    const booked = await trip(end === 'COMPLETED' ? 'IN_PROGRESS' : 'ARRIVED');
    const rider = await as('RIDER', booked.riderId);
    await rider.client.subscribeAsync(`trips/${booked.id}/#`, { qos: 1 });
    const last = await drive(booked.driverId);
    await rider.next(isLocationOf(booked.id, last));
    await desk.move(booked.id, end);
    await drive(booked.driverId);
    // The driver's next trip is another rider's
    const next = await desk.bookIn('EN_ROUTE', { riderId: 'somebody', driverId: booked.driverId });
    await drive(booked.driverId);
    await rider.next(isStatusOf(booked.id, end));
    const again = await subackOf(rider, `trips/${booked.id}/location`);
    await marked(rider);
    expect(again).toEqual([1]);
    const locations = rider.received.filter(({ topic }) => topic.endsWith('/location'));
    expect(locations.at(-1)?.payload).toMatchObject({
      recordedAt: new Date(last).toISOString(),
      tripId: booked.id,
    });
    expect(rider.received.some(({ topic }) => topic.includes(next.id))).toBe(false);
    await rider.end();
  },
);
