import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Fleet, json, startFleet } from '../support/fleet.ts';
import type { Received, TestClient } from '../support/mqtt-client.ts';
import {
  isLocationOf,
  isStatusOf,
  locationsOf,
  pickup,
  type StatusMessage,
  statusesOf,
  type TripBody,
  type TripDesk,
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

const people = () => ({ riderId: `rider-${names}`, driverId: `driver-${names++}` });
const ride = ['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED'] as const;

async function onTheWay() {
  const { riderId, driverId } = people();
  const trip = await desk.bookIn('EN_ROUTE', { riderId, driverId });
  const rider = await fleet.client('RIDER', riderId, { url: fleet.platform.urls.ws });
  await rider.client.subscribeAsync(`trips/${trip.id}/#`, { qos: 1 });
  await rider.next(isStatusOf(trip.id, 'EN_ROUTE'));
  return { trip, rider, riderId, driverId, driver: await fleet.client('DRIVER', driverId) };
}

const at = (recordedAt: number) => ({ ...pickup, recordedAt });

describe('a rider is shown', () => {
  test('of positions that come in any order, those that are newer than all before', async () => {
    const { trip, rider, driver, driverId } = await onTheWay();
    const base = Date.now();
    for (const seconds of [10, 5, 20, 20, 19, 0, 30, 25, 31])
      driver.client.publish(`drivers/${driverId}/location`, json(at(base + seconds * 1000)), { qos: 1 });
    await rider.next(isLocationOf(trip.id, base + 31_000));
    const seen = locationsOf(rider, trip.id).map(({ recordedAt }) => (Date.parse(recordedAt) - base) / 1000);
    expect(seen).toEqual([10, 20, 30, 31]);
  });

  test('of a backlog the newest, and only if it is newer than what came live', async () => {
    const { trip, rider, driver, driverId } = await onTheWay();
    const base = Date.now();
    const backlog = (...seconds: number[]) =>
      driver.client.publishAsync(
        `drivers/${driverId}/locations`,
        json(seconds.map((second) => at(base + second * 1000))),
        { qos: 1 },
      );
    const live = (second: number) =>
      driver.client.publishAsync(`drivers/${driverId}/location`, json(at(base + second * 1000)), { qos: 1 });
    await live(10);
    await backlog(1, 9, 5);
    await backlog(12, 20, 11, 15);
    await backlog(20, 19);
    await live(18);
    await live(21);
    await backlog(22);
    await rider.next(isLocationOf(trip.id, base + 22_000));
    const seen = locationsOf(rider, trip.id).map(({ recordedAt }) => (Date.parse(recordedAt) - base) / 1000);
    expect(seen).toEqual([10, 20, 21, 22]);
  });

  test('also what is sent without a time, each newer than the one before', async () => {
    const { trip, rider, driver, driverId } = await onTheWay();
    for (let index = 0; index < 50; index++)
      driver.client.publish(`drivers/${driverId}/location`, json({ ...pickup, speed: index }), { qos: 1 });
    await rider.next(({ payload }) => (payload as { speed?: number }).speed === 49);
    const locations = locationsOf(rider, trip.id);
    expect(locations).toHaveLength(50);
    const times = locations.map(({ recordedAt }) => recordedAt);
    expect(times).toEqual([...new Set(times)].sort());
  });
});

test('many trips that move at once are told each in its order, on every topic on which they are told', async () => {
  const riderId = 'frequent-rider';
  const operator = await fleet.subscriber('OPERATOR', 'olga', 'trips/+/status', 1);
  const rider = await fleet.client('RIDER', riderId, { url: fleet.platform.urls.ws });
  await rider.client.subscribeAsync(`riders/${riderId}/trips`, { qos: 2 });
  const trips = await Promise.all(Array.from({ length: 30 }, () => desk.book({ ...people(), riderId })));
  await rider.client.subscribeAsync(
    trips.map(({ id }) => `trips/${id}/status`),
    { qos: 1 },
  );
  const drive = async ({ id, driverId }: TripBody) => {
    const driver = await fleet.client('DRIVER', driverId ?? '');
    for (const status of ride) driver.client.publish(`trips/${id}/transition`, json({ status }), { qos: 1 });
  };
  await Promise.all(trips.map(drive));
  for (const { id } of trips) {
    await rider.next(isStatusOf(id, 'COMPLETED'), 20_000);
    await rider.next(ofOwnTrips(id, 5), 20_000);
    await operator.next(isStatusOf(id, 'COMPLETED'), 20_000);
    const whole = [1, 2, 3, 4, 5];
    expect(statusesOf(rider, id).map(({ version }) => version)).toEqual(whole);
    expect(statusesOf(operator, id).map(({ version }) => version)).toEqual(whole);
    expect(versionsOfOwnTrips(rider, id)).toEqual(whole);
  }
});

const ofOwnTrips =
  (tripId: string, version: number) =>
  ({ topic, payload }: Received): boolean =>
    topic.endsWith('/trips') &&
    (payload as StatusMessage).tripId === tripId &&
    (payload as StatusMessage).version === version;

const versionsOfOwnTrips = ({ received }: TestClient, tripId: string) =>
  received
    .filter(({ topic, payload }) => topic.endsWith('/trips') && (payload as StatusMessage).tripId === tripId)
    .map(({ payload }) => (payload as StatusMessage).version);
