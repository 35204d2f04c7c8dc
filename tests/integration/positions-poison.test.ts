import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ensurePartitions } from '../../ingest/partitions.ts';
import { createPositionWriter } from '../../ingest/positions.ts';
import type { WritePositions } from '../../shared/position-log/group-commit.ts';
import type { LoggedPosition, Outcome } from '../../shared/position-log/index.ts';
import {
  DAY_MS,
  historyOf,
  logged,
  type MigratedDatabase,
  migratedDatabase,
  NOON,
} from '../support/history.ts';

let database: MigratedDatabase;
let write: WritePositions;
let setAside: { position: LoggedPosition; code: unknown }[];
let driverId: string;
let drivers = 0;

beforeAll(async () => {
  database = await migratedDatabase();
  await ensurePartitions(database.queries, 1, NOON);
});
afterAll(() => database.drop());
beforeEach(() => {
  driverId = `driver-${++drivers}`;
  setAside = [];
  write = createPositionWriter(database.queries, {
    poison: (position, error) => setAside.push({ position, code: (error as { code?: unknown }).code }),
  });
});

const batchOf = (size: number) =>
  Array.from({ length: size }, (_, index) => logged({ driverId, recordedAt: NOON + index }));

/** What PostgreSQL refuses, had it got past the validation. */
const poisons: [string, Partial<LoggedPosition>][] = [
  ['a NUL in the driver', { driverId: 'driver\u0000' }],
  ['half a character in the trip', { tripId: '\ud800' }],
  ['a trip that is no UUID', { tripId: 'trip-1' }],
  ['a time that is no number', { recordedAt: Number.NaN }],
  ['a time with a fraction', { recordedAt: NOON + 0.5 }],
  ['no latitude', { latitude: null as unknown as number }],
];

describe.each(poisons)('%s', (_name, fields) => {
  test.each([0, 3, 6])('is set aside, and the others are stored (index %i of 7)', async (index) => {
    const batch = batchOf(7);
    const bad = { ...logged({ driverId }), ...fields };
    batch[index] = bad;
    const expected: Outcome[] = batch.map(() => 'accepted');
    expected[index] = 'INVALID_PAYLOAD';
    expect(await write(batch)).toEqual(expected);
    expect(await historyOf(database.queries, driverId)).toEqual(batch.filter((position) => position !== bad));
    expect(setAside).toEqual([{ position: bad, code: expect.stringMatching(/^2[23]/) }]);
  });
});

test('several of them in a large batch are set aside, each with its own outcome', async () => {
  const batch = batchOf(1000);
  const bad = [0, 1, 499, 500, 998, 999];
  for (const index of bad) batch[index] = logged({ driverId: 'driver\u0000', recordedAt: NOON + index });
  // A duplicate in another half than the first of its kind
  batch[700] = { ...batch[100], latitude: 9 } as LoggedPosition;
  const expected = batch.map((_, index): Outcome => {
    if (bad.includes(index)) return 'INVALID_PAYLOAD';
    return index === 700 ? 'duplicate' : 'accepted';
  });
  expect(await write(batch)).toEqual(expected);
  expect(await historyOf(database.queries, driverId)).toHaveLength(1000 - bad.length - 1);
  expect(setAside.map(({ position }) => position)).toEqual(bad.map((index) => batch[index]));
});

test('a batch of nothing else is set aside whole', async () => {
  const batch = batchOf(5).map((position) => ({ ...position, tripId: 'x' }));
  expect(await write(batch)).toEqual(batch.map(() => 'INVALID_PAYLOAD'));
  expect(await historyOf(database.queries, driverId)).toEqual([]);
});

test('one beside a day without a partition keeps neither that day nor the rest from being stored', async () => {
  const farDay = NOON - 30 * DAY_MS;
  const batch = [
    logged({ driverId, recordedAt: farDay }),
    logged({ driverId: 'driver\u0000', recordedAt: farDay + 1 }),
    logged({ driverId }),
  ];
  expect(await write(batch)).toEqual(['accepted', 'INVALID_PAYLOAD', 'accepted']);
  expect(await historyOf(database.queries, driverId)).toEqual([batch[0], batch[2]]);
});

test('what is written is never the id of another driver', async () => {
  await write([logged({ driverId: 'a\u0000b' }), logged({ driverId: 'c"d' }), logged({ driverId: 'e\\f' })]);
  const rows = await database.queries.any(
    "select distinct driver_id from location_history where driver_id !~ '^driver-' order by driver_id",
  );
  expect(rows).toEqual([{ driver_id: 'c"d' }, { driver_id: 'e\\f' }]);
});
