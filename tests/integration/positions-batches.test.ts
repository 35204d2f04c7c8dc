import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ensurePartitions } from '../../ingest/partitions.ts';
import { createPositionWriter } from '../../ingest/positions.ts';
import type { WritePositions } from '../../shared/position-log/group-commit.ts';
import {
  currentOf,
  historyOf,
  logged,
  type MigratedDatabase,
  migratedDatabase,
  NOON,
  timesOf,
} from '../support/history.ts';

let database: MigratedDatabase;
let write: WritePositions;
/** A fresh driver for every test. */
let driverId: string;
let drivers = 0;

beforeAll(async () => {
  database = await migratedDatabase();
  await ensurePartitions(database.queries, 7, NOON);
  write = createPositionWriter(database.queries);
});
afterAll(() => database.drop());
beforeEach(() => {
  driverId = `driver-${++drivers}`;
});

const at = (offset: number, fields = {}) =>
  logged({ driverId, recordedAt: NOON + offset, receivedAt: NOON + offset + 40, ...fields });

describe('a batch', () => {
  test('is stored with every field as it came', async () => {
    const full = at(0, {
      latitude: -33.856784312345,
      longitude: 179.99999999999997,
      bearing: 359.99,
      speed: 0.1,
      accuracy: 1e-7,
      altitude: -431.5,
      battery: 100,
      tripId: '0b6ff38e-6f5a-4bb1-a6c5-3de1f5a7d0d1',
    });
    const sparse = at(1, { latitude: 0, longitude: -180 });
    expect(await write([full, sparse])).toEqual(['accepted', 'accepted']);
    expect(await historyOf(database.queries, driverId)).toEqual([full, sparse]);
    expect(await currentOf(database.queries, driverId)).toEqual(sparse);
  });

  test.each([
    { latitude: 90, longitude: 180 },
    { latitude: -90, longitude: -180 },
    { latitude: -0, longitude: 5e-324 },
    { altitude: 1.7976931348623157e308 },
    { altitude: -1.7976931348623157e308, speed: 5e-324 },
    { recordedAt: NOON - 7 * 86_400_000 },
  ])('takes the edge of what is allowed: %j', async (edge) => {
    const position = at(0, edge);
    expect(await write([position])).toEqual(['accepted']);
    const [stored] = await historyOf(database.queries, driverId);
    expect(stored?.latitude).toBeCloseTo(position.latitude, 12);
    expect(stored?.longitude).toBeCloseTo(position.longitude, 12);
    expect(stored).toMatchObject({
      altitude: position.altitude,
      speed: position.speed,
      recordedAt: position.recordedAt,
    });
  });

  test('that is empty writes nothing', async () => {
    const before = await database.queries.one('select count(*) from location_history');
    expect(await write([])).toEqual([]);
    expect(await database.queries.one('select count(*) from location_history')).toEqual(before);
  });

  test('may hold a thousand positions of many drivers, each to its own millisecond', async () => {
    const positions = Array.from({ length: 1000 }, (_, index) =>
      at(index, { driverId: `${driverId}-${index % 37}`, speed: index }),
    );
    expect(await write(positions)).toEqual(positions.map(() => 'accepted'));
    const own = positions.filter((position) => position.driverId === `${driverId}-5`);
    expect(await historyOf(database.queries, `${driverId}-5`)).toEqual(own);
    expect(await currentOf(database.queries, `${driverId}-5`)).toEqual(own.at(-1));
    expect(await write(positions)).toEqual(positions.map(() => 'duplicate'));
  });

  test('keeps ids with every character that is allowed apart', async () => {
    const ids = ['NULL', 'null', '-', '_', '--', 'Driver-1', 'driver_1', '0', 'x'.repeat(64)];
    await write(ids.map((id, index) => at(index, { driverId: id })));
    for (const [index, id] of ids.entries())
      expect(timesOf(await historyOf(database.queries, id))).toEqual([NOON + index]);
  });
});

describe('a position that is there already', () => {
  test('within its batch is a duplicate, and the first one stays', async () => {
    const outcomes = await write([
      at(0, { speed: 1 }),
      at(5),
      at(0, { speed: 2 }),
      at(0, { speed: 3 }),
      at(6),
      at(5),
    ]);
    expect(outcomes).toEqual(['accepted', 'accepted', 'duplicate', 'duplicate', 'accepted', 'duplicate']);
    const stored = await historyOf(database.queries, driverId);
    expect(timesOf(stored)).toEqual([NOON, NOON + 5, NOON + 6]);
    expect(stored[0]).toMatchObject({ speed: 1 });
  });

  test('from an earlier batch is a duplicate, and nothing of it changes', async () => {
    await write([at(0, { speed: 1 }), at(2)]);
    expect(await write([at(1), at(0, { speed: 9 }), at(2), at(3)])).toEqual([
      'accepted',
      'duplicate',
      'duplicate',
      'accepted',
    ]);
    const stored = await historyOf(database.queries, driverId);
    expect(timesOf(stored)).toEqual([NOON, NOON + 1, NOON + 2, NOON + 3]);
    expect(stored[0]).toMatchObject({ speed: 1, receivedAt: NOON + 40 });
  });

  test("is another driver's own", async () => {
    expect(await write([at(0), at(0, { driverId: `${driverId}-b` }), at(0)])).toEqual([
      'accepted',
      'accepted',
      'duplicate',
    ]);
  });

  test('a millisecond beside another is none', async () => {
    const times = [0, 1, 999, 1000, 1001];
    expect(await write(times.map((offset) => at(offset)))).toEqual(times.map(() => 'accepted'));
    expect(await write(times.map((offset) => at(offset)))).toEqual(times.map(() => 'duplicate'));
    expect(timesOf(await historyOf(database.queries, driverId))).toEqual(
      times.map((offset) => NOON + offset),
    );
  });
});

describe('the current position', () => {
  test('only moves forward in the time of recording, whatever the order of arrival', async () => {
    await write([at(100)]);
    await write([at(50), at(99)]);
    expect(await currentOf(database.queries, driverId)).toEqual(at(100));
    await write([at(101), at(300), at(200)]);
    expect(await currentOf(database.queries, driverId)).toEqual(at(300));
  });

  test('is not rewritten by a resent one that says something else', async () => {
    await write([at(10, { speed: 1 })]);
    await write([at(10, { speed: 2, receivedAt: NOON + 5000 })]);
    expect(await currentOf(database.queries, driverId)).toEqual(at(10, { speed: 1 }));
  });

  test('comes with the first position of a driver that had only a status', async () => {
    await database.queries.none(
      "insert into driver_locations (driver_id, status) values ($(driverId), 'BUSY')",
      { driverId },
    );
    await write([at(0)]);
    expect(await currentOf(database.queries, driverId)).toEqual(at(0));
    const { status } = await database.queries.one(
      'select status from driver_locations where driver_id = $(driverId)',
      { driverId },
    );
    expect(status).toBe('BUSY');
  });
});
