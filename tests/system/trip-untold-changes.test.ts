import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { RELAY_LOCK } from '../../ingest/sql/take-outbox.ts';
import { type Fleet, json, startFleet } from '../support/fleet.ts';
import { follow, isLocationEvent, isStatusEvent } from '../support/live-events.ts';
import type { TestClient } from '../support/mqtt-client.ts';
import { token } from '../support/platform.ts';
import {
  isLocationOf,
  isStatusOf,
  locationsOf,
  marked,
  pickup,
  statusesOf,
  type TripDesk,
  tripDesk,
} from '../support/trips.ts';

let fleet: Fleet;
let desk: TripDesk;
let database: Client;
let operator: TestClient;
let names = 0;

beforeAll(async () => {
  fleet = await startFleet();
  desk = tripDesk(fleet.platform);
  database = new Client({ connectionString: fleet.databaseUrl });
  await database.connect();
  operator = await fleet.subscriber('OPERATOR', 'olga', 'trips/+/status', 1);
});
afterAll(async () => {
  await database?.end();
  await fleet?.stop();
});

const people = () => ({ riderId: `rider-${names}`, driverId: `driver-${names++}` });
const versionsOf = (client: TestClient, tripId: string) =>
  statusesOf(client, tripId).map(({ version }) => version);

/** What is committed meanwhile is told only afterwards, as if the relay were slow: another one, that does nothing, has its turn. */
async function untold(work: () => Promise<void>): Promise<void> {
  await database.query('select pg_advisory_lock($1)', [RELAY_LOCK]);
  try {
    await work();
  } finally {
    await database.query('select pg_advisory_unlock($1)', [RELAY_LOCK]);
  }
}

async function drive(driverId: string): Promise<number> {
  const driver = await fleet.client('DRIVER', driverId);
  const recordedAt = Date.now();
  const payload = json({ ...pickup, recordedAt });
  await driver.client.publishAsync(`drivers/${driverId}/location`, payload, { qos: 1 });
  return recordedAt;
}

test('a snapshot shows changes that are not told yet, and they are not told to that rider any more', async () => {
  const named = people();
  const trip = await desk.book(named);
  await operator.next(isStatusOf(trip.id, 'PENDING'));
  const rider = await fleet.client('RIDER', named.riderId, { url: fleet.platform.urls.ws });
  await untold(async () => {
    for (const status of ['EN_ROUTE', 'ARRIVED'] as const) await desk.move(trip.id, status);
    await marked(operator);
    expect(versionsOf(operator, trip.id)).toEqual([1]);
    await rider.client.subscribeAsync(`trips/${trip.id}/status`, { qos: 1 });
    await rider.next(isStatusOf(trip.id, 'ARRIVED'));
  });
  await operator.next(isStatusOf(trip.id, 'ARRIVED'));
  await desk.move(trip.id, 'IN_PROGRESS');
  await rider.next(isStatusOf(trip.id, 'IN_PROGRESS'));
  expect(versionsOf(rider, trip.id)).toEqual([3, 4]);
  await operator.next(isStatusOf(trip.id, 'IN_PROGRESS'));
  expect(versionsOf(operator, trip.id)).toEqual([1, 2, 3, 4]);
});

test('a position of a driver who has set out is shown as soon as that is told, and none of before', async () => {
  const named = people();
  const trip = await desk.book(named);
  const rider = await fleet.client('RIDER', named.riderId, { url: fleet.platform.urls.ws });
  await rider.client.subscribeAsync(`trips/${trip.id}/#`, { qos: 1 });
  await rider.next(isStatusOf(trip.id, 'PENDING'));
  await drive(named.driverId);
  let last = 0;
  await untold(async () => {
    await desk.move(trip.id, 'EN_ROUTE');
    await drive(named.driverId);
    last = await drive(named.driverId);
    await marked(rider);
    expect(locationsOf(rider, trip.id)).toEqual([]);
  });
  await rider.next(isLocationOf(trip.id, last));
  await marked(rider);
  const ofTrip = rider.received.filter(({ topic, retain }) => topic.startsWith('trips/') && !retain);
  expect(ofTrip.map(({ topic }) => topic.split('/')[2])).toEqual(['status', 'location']);
});

test('it is shown as soon over HTTP', async () => {
  const named = people();
  const trip = await desk.book(named);
  const stream = await follow(fleet.platform, await token('RIDER', named.riderId), trip.id);
  await stream.next(isStatusEvent('PENDING'));
  await drive(named.driverId);
  let last = 0;
  await untold(async () => {
    await desk.move(trip.id, 'EN_ROUTE');
    last = await drive(named.driverId);
    await marked(operator);
    expect(stream.events).toHaveLength(1);
  });
  await stream.next(isLocationEvent(last));
  const next = await drive(named.driverId);
  await stream.next(isLocationEvent(next));
  stream.close();
  expect(stream.events.map(({ event }) => event)).toEqual(['status', 'status', 'location', 'location']);
});

test('over HTTP, a driver whose end is not told yet is shown no position after it', async () => {
  const named = people();
  const trip = await desk.bookIn('IN_PROGRESS', named);
  const stream = await follow(fleet.platform, await token('RIDER', named.riderId), trip.id);
  const seen = await drive(named.driverId);
  await stream.next(isLocationEvent(seen));
  await untold(async () => {
    await desk.move(trip.id, 'COMPLETED');
    await drive(named.driverId);
    await marked(operator);
  });
  await stream.ended;
  expect(stream.events.map(({ event }) => event)).toEqual(['status', 'location', 'status']);
});

test('a driver whose trip has ended is not shown any more, though the end is not told yet', async () => {
  const named = people();
  const trip = await desk.bookIn('IN_PROGRESS', named);
  const rider = await fleet.client('RIDER', named.riderId, { url: fleet.platform.urls.ws });
  await rider.client.subscribeAsync(`trips/${trip.id}/#`, { qos: 1 });
  const seen = await drive(named.driverId);
  await rider.next(isLocationOf(trip.id, seen));
  await untold(async () => {
    await desk.move(trip.id, 'COMPLETED');
    await drive(named.driverId);
    await rider.client.subscribeAsync(`trips/${trip.id}/location`, { qos: 1 });
    await marked(rider);
  });
  await rider.next(isStatusOf(trip.id, 'COMPLETED'));
  expect(locationsOf(rider, trip.id).map(({ recordedAt }) => Date.parse(recordedAt))).toEqual([seen]);
});

test('a driver who is taken off a trip learns nothing more of it, though that is not told yet', async () => {
  const named = people();
  const trip = await desk.book(named);
  const former = await fleet.subscriber('DRIVER', named.driverId, `trips/${trip.id}/#`, 1);
  await former.next(isStatusOf(trip.id, 'PENDING'));
  await untold(async () => {
    await desk.plan(trip.id, { driverId: 'successor' });
    await desk.move(trip.id, 'EN_ROUTE');
    await drive('successor');
    await marked(former);
    expect(locationsOf(former, trip.id)).toEqual([]);
  });
  await operator.next(isStatusOf(trip.id, 'EN_ROUTE'));
  await marked(former);
  expect(versionsOf(former, trip.id)).toEqual([1]);
});
