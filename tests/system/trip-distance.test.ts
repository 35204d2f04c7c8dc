import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Fleet, json, startFleet } from '../support/fleet.ts';
import type { TestClient } from '../support/mqtt-client.ts';
import { type TripBody, type TripDesk, tripDesk } from '../support/trips.ts';

let fleet: Fleet;
let desk: TripDesk;
let names = 0;

beforeAll(async () => {
  fleet = await startFleet();
  desk = tripDesk(fleet.platform);
});
afterAll(() => fleet?.stop());

type Point = { latitude: number; longitude: number };

const radians = (degrees: number) => (degrees * Math.PI) / 180;

/** Metres between two points by the haversine formula, on a sphere of 6371 km. */
function haversine(a: Point, b: Point): number {
  const h =
    Math.sin(radians(b.latitude - a.latitude) / 2) ** 2 +
    Math.cos(radians(a.latitude)) *
      Math.cos(radians(b.latitude)) *
      Math.sin(radians(b.longitude - a.longitude) / 2) ** 2;
  return 2 * 6_371_000 * Math.asin(Math.sqrt(h));
}

const lengthOf = (track: readonly Point[]) =>
  track.slice(1).reduce((sum, point, index) => sum + haversine(track[index] ?? point, point), 0);

/** Straight roads, bends of all kinds and a roundabout, a position every second or so. */
function curvedTrack(positions: number, start: Point = { latitude: 37.98, longitude: 23.72 }): Point[] {
  const track = [start];
  let heading = 0.4;
  for (let index = 1; index < positions; index++) {
    const part = index / positions;
    if (part > 0.2 && part < 0.4) heading += 0.05;
    if (part > 0.5 && part < 0.6) heading -= 0.3;
    if (part > 0.8) heading += Math.sin(index) * 0.4;
    const meters = 8 + (index % 7);
    const last = track[index - 1] ?? start;
    track.push({
      latitude: last.latitude + (Math.cos(heading) * meters) / 111_195,
      longitude: last.longitude + (Math.sin(heading) * meters) / (111_195 * Math.cos(radians(last.latitude))),
    });
  }
  return track;
}

async function driverOf(
  status: 'ARRIVED' | 'IN_PROGRESS',
): Promise<{ trip: TripBody; driver: TestClient; driverId: string }> {
  const driverId = `driver-${names++}`;
  const trip = await desk.bookIn(status, { driverId });
  return { trip, driverId, driver: await fleet.client('DRIVER', driverId) };
}

const live = ({ client }: TestClient, driverId: string, point: Point, recordedAt: number) =>
  client.publishAsync(`drivers/${driverId}/location`, json({ ...point, recordedAt }), { qos: 1 });

const sendAll = (driver: TestClient, driverId: string, track: readonly Point[], from: number, step: number) =>
  Promise.all(track.map((point, index) => live(driver, driverId, point, from + index * step)));

const faraway = { latitude: 40, longitude: 20 };

function expectWithin1Percent(distance: number | null, track: readonly Point[]): void {
  const length = lengthOf(track);
  expect(distance).toBeGreaterThan(length * 0.99);
  expect(distance).toBeLessThan(length * 1.01);
}

describe('distanceMeters of a completed trip', () => {
  test('is the length of the track while IN_PROGRESS: nothing before counts, and nothing after', async () => {
    const { trip, driver, driverId } = await driverOf('ARRIVED');
    await live(driver, driverId, faraway, Date.now());
    await desk.move(trip.id, 'IN_PROGRESS');
    const track = curvedTrack(250);
    const started = Date.now();
    await sendAll(driver, driverId, track, started, 1);
    // Time that a device has: the last position is recorded before the trip ends
    while (Date.now() <= started + track.length)
      await live(driver, driverId, track.at(-1) ?? faraway, Date.now());
    const done = await desk.move(trip.id, 'COMPLETED');
    await live(driver, driverId, faraway, Date.now());
    expectWithin1Percent(done.distanceMeters, track);
    expect((await desk.trip(trip.id)).distanceMeters).toBe(done.distanceMeters);
  });

  test.each([
    ['an hour ago', 3_600_000],
    ['ten hours ago', 36_000_000],
  ])(
    'counts a track that is replayed live while IN_PROGRESS though it was recorded %s',
    async (_name, ago) => {
      const { trip, driver, driverId } = await driverOf('ARRIVED');
      const began = Date.now() - ago;
      await sendAll(driver, driverId, [faraway, faraway], began - 10_000, 1000);
      await desk.move(trip.id, 'IN_PROGRESS');
      const track = curvedTrack(200);
      await sendAll(driver, driverId, track, began, 1000);
      const done = await desk.move(trip.id, 'COMPLETED');
      await sendAll(driver, driverId, [faraway], began + 1_000_000, 1);
      expectWithin1Percent(done.distanceMeters, track);
    },
  );

  test('takes positions in the order of their recording, whatever order they came in, once each', async () => {
    const { trip, driver, driverId } = await driverOf('IN_PROGRESS');
    const track = curvedTrack(200);
    const began = Date.now() - 300_000;
    const order = track.map((_, index) => (index * 77) % track.length);
    await Promise.all(
      [...order, ...order.slice(0, 50)].map((index) =>
        live(driver, driverId, track[index] ?? faraway, began + index * 1000),
      ),
    );
    expectWithin1Percent((await desk.move(trip.id, 'COMPLETED')).distanceMeters, track);
  });

  test('has what the driver sent before its own COMPLETED, though nothing was acknowledged yet', async () => {
    const { trip, driver, driverId } = await driverOf('IN_PROGRESS');
    const track = curvedTrack(200);
    const began = Date.now() - 300_000;
    for (const [index, point] of track.entries())
      driver.client.publish(
        `drivers/${driverId}/location`,
        json({ ...point, recordedAt: began + index * 1000 }),
        {
          qos: 1,
        },
      );
    await driver.client.publishAsync(`trips/${trip.id}/transition`, json({ status: 'COMPLETED' }), {
      qos: 1,
    });
    expectWithin1Percent((await desk.trip(trip.id)).distanceMeters, track);
  });

  test('counts the backlog of a stretch without a network in between', async () => {
    const { trip, driver, driverId } = await driverOf('IN_PROGRESS');
    const { startedAt } = await desk.trip(trip.id);
    const began = Date.parse(startedAt ?? '');
    const track = curvedTrack(300);
    // Some time has to pass in which all of it can have been recorded
    while (Date.now() < began + track.length) await desk.trip(trip.id);
    const batch = track
      .slice(100, 200)
      .map((point, index) => ({ ...point, recordedAt: began + 100 + index }));
    await sendAll(driver, driverId, track.slice(0, 100), began, 1);
    await sendAll(driver, driverId, track.slice(200), began + 200, 1);
    await driver.client.publishAsync(`drivers/${driverId}/locations`, json(batch.reverse()), { qos: 1 });
    expectWithin1Percent((await desk.move(trip.id, 'COMPLETED')).distanceMeters, track);
  });

  test('is 0 where nothing was recorded, or one position', async () => {
    const silent = await driverOf('IN_PROGRESS');
    expect((await desk.move(silent.trip.id, 'COMPLETED')).distanceMeters).toBe(0);
    const still = await driverOf('IN_PROGRESS');
    await live(still.driver, still.driverId, faraway, Date.now());
    expect((await desk.move(still.trip.id, 'COMPLETED')).distanceMeters).toBe(0);
  });

  test("does not count another driver's track, nor that of the driver's trip before", async () => {
    const { trip, driver, driverId } = await driverOf('IN_PROGRESS');
    const track = curvedTrack(200);
    await sendAll(driver, driverId, track, Date.now() - 300_000, 1000);
    await desk.move(trip.id, 'COMPLETED');
    const next = await desk.bookIn('IN_PROGRESS', { driverId });
    const other = await driverOf('IN_PROGRESS');
    await sendAll(other.driver, other.driverId, curvedTrack(200, faraway), Date.now() - 300_000, 1000);
    expect((await desk.move(next.id, 'COMPLETED')).distanceMeters).toBe(0);
  });
});

test('durationSeconds is the time between startedAt and completedAt', async () => {
  const { trip } = await driverOf('IN_PROGRESS');
  const done = await desk.move(trip.id, 'COMPLETED');
  const seconds = (Date.parse(done.completedAt ?? '') - Date.parse(done.startedAt ?? '')) / 1000;
  expect(Math.abs((done.durationSeconds ?? Number.NaN) - seconds)).toBeLessThan(0.05);
});

test('a trip that was cancelled on its way has neither', async () => {
  const { trip } = await driverOf('IN_PROGRESS');
  expect(await desk.move(trip.id, 'CANCELLED')).toMatchObject({
    distanceMeters: null,
    durationSeconds: null,
  });
});
