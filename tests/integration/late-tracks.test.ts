import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { LateTracks } from '../../ingest/late-tracks.ts';
import { ensurePartitions } from '../../ingest/partitions.ts';
import { createPositionWriter } from '../../ingest/positions.ts';
import { logged, type MigratedDatabase, migratedDatabase, NOON, silent } from '../support/history.ts';

let database: MigratedDatabase;
let trips = 0;

beforeAll(async () => {
  database = await migratedDatabase();
  await ensurePartitions(database.queries, 7, Date.now());
});
afterAll(() => database.drop());

/** A minute ago, from one second to another, completed before any of its positions was stored; they came at once. */
async function completedTrip() {
  const driverId = `driver-${++trips}`;
  const start = Math.min(Date.now(), NOON) - 60_000;
  const end = start + 10_000;
  const { id } = await database.queries.one<{ id: string }>(
    `insert into trip_tracking (rider_id, driver_id, status, pickup, dropoff, started_at, completed_at, distance_meters)
     values ('rider-1', $(driverId), 'COMPLETED', 'point(16 48)', 'point(16 49)', to_timestamp($(start) / 1000.0),
             to_timestamp($(end) / 1000.0), 0)
     returning id`,
    { driverId, start, end },
  );
  const positions = [1, 5, 9].map((second) =>
    logged({
      driverId,
      recordedAt: start + second * 1000,
      receivedAt: start + second * 1000 + 20,
      latitude: 48 + second / 1000,
      longitude: 16,
      tripId: null,
    }),
  );
  const length = async () =>
    Math.round(
      (
        await database.queries.one<{ distance_meters: number }>(
          'select distance_meters from trip_tracking where id = $(id)',
          { id },
        )
      ).distance_meters,
    );
  return { driverId, end, positions, length };
}

/** 0.008 degrees of latitude, on the WGS 84 ellipsoid at 48 degrees north. */
const METERS = 890;

test('positions that were stored while the trip was being completed are measured once that is told', async () => {
  const { driverId, end, positions, length } = await completedTrip();
  const tracks = new LateTracks(database.queries, 7, silent);
  await createPositionWriter(database.queries)(positions);
  tracks.committed(positions);
  tracks.completed(driverId, end);
  await tracks.stop();
  expect(await length()).toBe(METERS);
});

test('positions that are stored after it was told are measured then, and those of the next trip alone are not', async () => {
  const { driverId, end, positions, length } = await completedTrip();
  const tracks = new LateTracks(database.queries, 7, silent);
  tracks.completed(driverId, end);
  await tracks.stop();
  expect(await length()).toBe(0);
  await createPositionWriter(database.queries)(positions);
  const next = logged({ driverId, recordedAt: end + 1000, receivedAt: end + 1020 });
  tracks.committed([next]);
  await tracks.stop();
  expect(await length()).toBe(0);
  tracks.committed([...positions, next]);
  await tracks.stop();
  expect(await length()).toBe(METERS);
});

test('positions of a trip that waited long to be stored are late, however soon they had come', async () => {
  const { positions, length } = await completedTrip();
  const tracks = new LateTracks(database.queries, 7, silent);
  const ofTrip = positions.map((position) => ({
    ...position,
    tripId: '00000000-0000-4000-8000-000000000001',
  }));
  await createPositionWriter(database.queries)(ofTrip);
  tracks.committed(ofTrip);
  await tracks.stop();
  expect(await length()).toBe(METERS);
});
