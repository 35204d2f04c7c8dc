import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Fleet, iso, json, startFleet } from '../support/fleet.ts';
import type { TestClient } from '../support/mqtt-client.ts';
import {
  dropoff,
  isLocationOf,
  isStatusOf,
  locationsOf,
  pickup,
  type StatusMessage,
  statusesOf,
  type TripDesk,
  type TripStatus,
  tripDesk,
} from '../support/trips.ts';

let fleet: Fleet;
let desk: TripDesk;
let names = 0;

beforeAll(async () => {
  fleet = await startFleet();
  desk = tripDesk(fleet.platform);
});
afterAll(() => fleet?.stop());

/** A trip of two people of its own, a rider on WebSocket and a driver on TCP. */
async function party(status: TripStatus = 'PENDING') {
  const riderId = `rider-${names}`;
  const driverId = `driver-${names++}`;
  const [trip, rider, driver] = await Promise.all([
    desk.bookIn(status, { riderId, driverId }),
    fleet.client('RIDER', riderId, { url: fleet.platform.urls.ws }),
    fleet.client('DRIVER', driverId),
  ]);
  return { trip, rider, driver, riderId, driverId };
}

const move = (driver: TestClient, tripId: string, status: TripStatus) =>
  driver.client.publishAsync(`trips/${tripId}/transition`, json({ status }), { qos: 1 });

/** Sends a position north of the pickup, and settles when it is stored. */
async function drive(driver: TestClient, driverId: string, metersNorth: number, recordedAt = Date.now()) {
  const latitude = pickup.latitude + metersNorth / 111_195;
  const payload = { latitude, longitude: pickup.longitude, speed: 12, bearing: 0, recordedAt };
  await driver.client.publishAsync(`drivers/${driverId}/location`, json(payload), { qos: 1 });
  return recordedAt;
}

test('a rider sees the whole life of the trip: every status in order, the car from EN_ROUTE to the end and never else', async () => {
  const { trip, rider, driver, driverId } = await party();
  await rider.client.subscribeAsync(`trips/${trip.id}/#`, { qos: 1 });
  await rider.next(isStatusOf(trip.id, 'PENDING'));
  await drive(driver, driverId, -2000);

  const seen: number[] = [];
  for (const [status, meters] of [
    ['EN_ROUTE', -1000],
    ['ARRIVED', 0],
    ['IN_PROGRESS', 1000],
  ] as const) {
    await move(driver, trip.id, status);
    // The acknowledgement says that the trip has changed: from here on the rider sees the car
    seen.push(await drive(driver, driverId, meters));
    await rider.next(isLocationOf(trip.id, seen.at(-1)));
  }
  await move(driver, trip.id, 'COMPLETED');
  await drive(driver, driverId, 2000);
  const done = (await rider.next(isStatusOf(trip.id, 'COMPLETED'))).payload as StatusMessage;

  // Whatever is on its way to this rider comes before an answer to something that it does now
  const marker = await desk.book({ riderId: trip.riderId });
  await rider.client.subscribeAsync(`trips/${marker.id}/status`, { qos: 1 });
  await rider.next(isStatusOf(marker.id));

  expect(
    statusesOf(rider, trip.id).map(({ status, previous, version }) => [version, previous, status]),
  ).toEqual([
    [1, null, 'PENDING'],
    [2, 'PENDING', 'EN_ROUTE'],
    [3, 'EN_ROUTE', 'ARRIVED'],
    [4, 'ARRIVED', 'IN_PROGRESS'],
    [5, 'IN_PROGRESS', 'COMPLETED'],
  ]);
  const { updatedAt, distanceMeters, durationSeconds } = await desk.trip(trip.id);
  expect(done).toEqual({
    tripId: trip.id,
    status: 'COMPLETED',
    previous: 'IN_PROGRESS',
    version: 5,
    at: updatedAt,
    driverId,
    distanceMeters,
    durationSeconds,
  });
  expect(locationsOf(rider, trip.id).map(({ recordedAt }) => Date.parse(recordedAt))).toEqual(seen);
  // No location before EN_ROUTE, and none after the end
  const kinds = rider.received
    .filter(({ topic }) => topic.includes(trip.id))
    .map(({ topic }) => topic.split('/')[2]);
  expect(kinds.indexOf('location')).toBeGreaterThan(1);
  expect(kinds.at(-1)).toBe('status');
});

test('a position comes as it was sent, with trip, driver, time of receipt and what is left of the way', async () => {
  const { trip, rider, driver, driverId } = await party('EN_ROUTE');
  await rider.client.subscribeAsync(`trips/${trip.id}/location`, { qos: 1 });
  const toPickup = await drive(driver, driverId, -1000);
  const first = await rider.next(isLocationOf(trip.id, toPickup));
  expect(first).toMatchObject({ retain: false, qos: 0 });
  expect(first.payload).toEqual({
    tripId: trip.id,
    driverId,
    latitude: expect.closeTo(pickup.latitude - 1000 / 111_195, 9),
    longitude: pickup.longitude,
    speed: 12,
    bearing: 0,
    recordedAt: iso(toPickup),
    receivedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    eta: { seconds: expect.any(Number), meters: expect.any(Number), to: 'pickup' },
  });
  const etaOf = async (recordedAt: number) => {
    const { payload } = await rider.next(isLocationOf(trip.id, recordedAt));
    return (payload as { eta: { seconds: number; meters: number; to: string } }).eta;
  };
  // A straight line and a detour: not less than the line, and not half as much again
  const left = await etaOf(toPickup);
  expect(left.meters).toBeGreaterThanOrEqual(1000);
  expect(left.meters).toBeLessThan(1500);
  expect(left.seconds).toBeGreaterThan(0);
  await move(driver, trip.id, 'ARRIVED');
  const waiting = await etaOf(await drive(driver, driverId, 0));
  expect(waiting.to).toBe('dropoff');
  expect(waiting.meters).toBeGreaterThanOrEqual(2000);
  await move(driver, trip.id, 'IN_PROGRESS');
  expect((await etaOf(await drive(driver, driverId, 1000))).meters).toBeLessThan(waiting.meters);
  expect(dropoff.latitude).toBeGreaterThan(pickup.latitude);
});

describe.each([0, 1, 2] as const)('asked for at QoS %i', (qos) => {
  test.each(['trips/{id}/#', 'trips/{id}/+', 'trips/{id}/status'])(
    '%s brings statuses at it',
    async (filter) => {
      const { trip, rider, driver } = await party();
      await rider.client.subscribeAsync(filter.replace('{id}', trip.id), { qos });
      const snapshot = await rider.next(isStatusOf(trip.id, 'PENDING'));
      expect(snapshot).toMatchObject({ retain: true, qos });
      await move(driver, trip.id, 'EN_ROUTE');
      expect(await rider.next(isStatusOf(trip.id, 'EN_ROUTE'))).toMatchObject({ retain: false, qos });
    },
  );

  test('riders/{id}/trips and drivers/{id}/trips bring the statuses of every trip of theirs', async () => {
    const { trip, rider, driver, riderId, driverId } = await party();
    await rider.client.subscribeAsync(`riders/${riderId}/trips`, { qos });
    await driver.client.subscribeAsync(`drivers/${driverId}/trips`, { qos });
    const other = await desk.book({ riderId, driverId: 'somebody' });
    await desk.move(trip.id, 'EN_ROUTE');
    await desk.move(other.id, 'CANCELLED');
    const later = await desk.book({ riderId: 'somebody', driverId });
    const messages = (client: TestClient, topic: string) =>
      client.received
        .filter((message) => message.topic === topic)
        .map(({ payload, qos: at, retain }) => {
          const { tripId, status, version, driverId: by } = payload as StatusMessage;
          return { tripId, status, version, by, at, retain };
        })
        // That this one was booked may have been told before they subscribed, or after
        .filter(({ tripId, version }) => tripId !== trip.id || version > 1);
    const is = (tripId: string) => (message: { topic: string; payload: unknown }) =>
      message.topic.endsWith('/trips') && (message.payload as StatusMessage).tripId === tripId;
    await rider.next(is(other.id));
    await driver.next(is(later.id));
    const common = { at: qos, retain: false };
    expect(messages(rider, `riders/${riderId}/trips`)).toEqual([
      { tripId: other.id, status: 'PENDING', version: 1, by: 'somebody', ...common },
      { tripId: trip.id, status: 'EN_ROUTE', version: 2, by: driverId, ...common },
      { tripId: other.id, status: 'CANCELLED', version: 2, by: 'somebody', ...common },
    ]);
    expect(messages(driver, `drivers/${driverId}/trips`)).toEqual([
      { tripId: trip.id, status: 'EN_ROUTE', version: 2, by: driverId, ...common },
      { tripId: later.id, status: 'PENDING', version: 1, by: driverId, ...common },
    ]);
  });
});

test('the driver, an operator and a service follow a trip as well, by its name or by a wildcard', async () => {
  const { trip, driver, driverId } = await party('EN_ROUTE');
  const operator = await fleet.subscriber('OPERATOR', 'olga', ['trips/+/location', 'trips/+/status'], 1);
  const service = await fleet.subscriber('SERVICE', 'dispatch', 'trips/#', 1);
  const other = await fleet.subscriber('OPERATOR', 'otto', `trips/${trip.id}/#`, 1);
  await driver.client.subscribeAsync(`trips/${trip.id}/#`, { qos: 1 });
  const recordedAt = await drive(driver, driverId, -500);
  await move(driver, trip.id, 'ARRIVED');
  for (const client of [operator, service, other, driver]) {
    const { payload } = await client.next(isLocationOf(trip.id, recordedAt));
    expect(payload).toMatchObject({ tripId: trip.id, driverId, eta: { to: 'pickup' } });
    await client.next(isStatusOf(trip.id, 'ARRIVED'));
  }
  // A snapshot follows a SUBSCRIBE to one trip
  expect((await other.next(isStatusOf(trip.id))).retain).toBe(true);
  expect((await operator.next(isStatusOf(trip.id))).retain).toBe(false);
});

test('a position that is sent the moment EN_ROUTE is acknowledged is seen by the rider', async () => {
  for (let round = 0; round < 10; round++) {
    const { trip, rider, driver, driverId } = await party();
    await rider.client.subscribeAsync(`trips/${trip.id}/#`, { qos: 1 });
    await rider.next(isStatusOf(trip.id));
    await drive(driver, driverId, -1000);
    await move(driver, trip.id, 'EN_ROUTE');
    const recordedAt = await drive(driver, driverId, -900);
    await rider.next(isLocationOf(trip.id, recordedAt));
    // And nothing of where the driver was before it set out
    expect(locationsOf(rider, trip.id)).toHaveLength(1);
    expect(statusesOf(rider, trip.id).map(({ status }) => status)).toEqual(['PENDING', 'EN_ROUTE']);
    expect(rider.received.at(-1)?.topic).toBe(`trips/${trip.id}/location`);
  }
});
