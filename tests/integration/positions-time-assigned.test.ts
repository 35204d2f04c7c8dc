import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ensurePartitions } from '../../ingest/partitions.ts';
import { createPositionWriter } from '../../ingest/positions.ts';
import type { WritePositions } from '../../shared/position-log/group-commit.ts';
import type { LoggedPosition } from '../../shared/position-log/index.ts';
import {
  historyOf,
  logged,
  type MigratedDatabase,
  migratedDatabase,
  NOON,
  timesOf,
} from '../support/history.ts';

let database: MigratedDatabase;
let write: WritePositions;
let driverId: string;
let drivers = 0;

beforeAll(async () => {
  database = await migratedDatabase();
  await ensurePartitions(database.queries, 1, NOON);
  write = createPositionWriter(database.queries);
});
afterAll(() => database.drop());
beforeEach(() => {
  driverId = `driver-${++drivers}`;
});

/** One that said when it was recorded. */
const given = (offset: number, fields = {}) =>
  logged({ driverId, recordedAt: NOON + offset, receivedAt: NOON, ...fields });

/** One that did not: the log has assigned it this time. */
const assigned = (offset: number, fields = {}) => given(offset, { timeAssigned: true, ...fields });

const given5000 = () =>
  Array.from({ length: 5000 }, (_, offset) => given(offset, { receivedAt: NOON - 60_000, latitude: 1 }));

const offsets = (positions: readonly LoggedPosition[]) => timesOf(positions).map((time) => time - NOON);

const stored = () => historyOf(database.queries, driverId);

/** Tries that have nothing in common but what is in the database: each gets copies of its own. */
const copies = (positions: readonly LoggedPosition[]) => positions.map((position) => ({ ...position }));

describe('a position without a time of its own', () => {
  test('moves on to the next free millisecond when its time is taken', async () => {
    await write([given(0), given(1), given(3)]);
    const moved = assigned(0, { latitude: 10 });
    expect(await write([moved])).toEqual(['accepted']);
    expect(moved.recordedAt).toBe(NOON + 2);
    expect((await stored()).map(({ recordedAt, latitude }) => [recordedAt - NOON, latitude])).toEqual([
      [0, 48.2082],
      [1, 48.2082],
      [2, 10],
      [3, 48.2082],
    ]);
  });

  test('keeps its time where that is free', async () => {
    expect(await write([given(0), assigned(1), assigned(2), given(3)])).toEqual([
      'accepted',
      'accepted',
      'accepted',
      'accepted',
    ]);
    expect(offsets(await stored())).toEqual([0, 1, 2, 3]);
  });

  test('is never taken for another one of its batch', async () => {
    const batch = [assigned(0, { latitude: 1 }), given(0, { latitude: 2 }), assigned(0, { latitude: 3 })];
    expect(await write(batch)).toEqual(['accepted', 'duplicate', 'accepted']);
    expect((await stored()).map(({ latitude }) => latitude)).toEqual([1, 3]);
  });

  test('is not taken for one from the same place that came at the same time', async () => {
    expect(await write([given(0), assigned(0), assigned(0)])).toEqual(['accepted', 'accepted', 'accepted']);
    expect(offsets(await stored())).toEqual([0, 1, 2]);
  });

  test('of a parked vehicle is stored as often as it was sent', async () => {
    await write(Array.from({ length: 20 }, (_, offset) => given(offset)));
    // Received in the same moment, at the same place: only their number tells them apart
    const backlog = Array.from({ length: 20 }, (_, offset) => assigned(offset, { receivedAt: NOON + 1 }));
    expect(await write(backlog)).toEqual(backlog.map(() => 'accepted'));
    expect(offsets(await stored())).toEqual(Array.from({ length: 40 }, (_, offset) => offset));
  });

  test("does not move for another driver's", async () => {
    await write([given(0, { driverId: `${driverId}-b` })]);
    await write([assigned(0)]);
    expect(offsets(await stored())).toEqual([0]);
  });
});

describe('a batch that is tried again after its answer was lost', () => {
  test('stores no position a second time', async () => {
    const batch = [assigned(0), assigned(1), assigned(2), given(3)];
    await write(copies(batch));
    expect(await write(copies(batch))).toEqual(['accepted', 'accepted', 'accepted', 'duplicate']);
    expect(offsets(await stored())).toEqual([0, 1, 2, 3]);
  });

  test('finds what was moved on where it was moved to', async () => {
    await write([given(0, { latitude: 1 }), given(1, { latitude: 1 }), given(4, { latitude: 1 })]);
    const batch = [assigned(0), assigned(1), assigned(2), assigned(3)];
    await write(copies(batch));
    const before = await stored();
    expect(offsets(before)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    for (let tries = 0; tries < 3; tries++) await write(copies(batch));
    expect(await stored()).toEqual(before);
  });

  test('stores the rest of what only partly got through', async () => {
    await write([given(0, { latitude: 1 })]);
    const batch = [assigned(0), assigned(1), assigned(2)];
    await write(copies(batch.slice(1)));
    await write(copies(batch));
    expect(offsets(await stored())).toEqual([0, 1, 2, 3]);
  });
});

describe('thousands of taken milliseconds', () => {
  test('hold up nobody: a whole backlog moves behind them at once', async () => {
    await write(given5000());
    const statements = countStatements();
    const backlog = Array.from({ length: 500 }, (_, offset) => assigned(offset));
    expect(await statements.write(backlog)).toEqual(backlog.map(() => 'accepted'));
    expect(offsets(backlog)).toEqual(backlog.map((_, offset) => 5000 + offset));
    expect(await stored()).toHaveLength(5500);
    // One at a time through them, it would be millions
    expect(statements.made()).toBeLessThan(10);
  });

  test('are passed also where there are more than one search sees', async () => {
    for (let part = 0; part < 5; part++)
      await write(
        given5000().map((position) => ({ ...position, recordedAt: position.recordedAt + part * 5000 })),
      );
    const positions = [assigned(0), assigned(24_999), assigned(0)];
    expect(await write(positions)).toEqual(['accepted', 'accepted', 'accepted']);
    expect(offsets(await stored()).slice(25_000)).toEqual([25_000, 25_001, 25_002]);
  });
});

/** A writer whose statements are counted. */
function countStatements() {
  let made = 0;
  const queries = new Proxy(database.queries, {
    get(target, name, receiver) {
      if (name === 'any' || name === 'one' || name === 'oneOrNone' || name === 'none') made++;
      return Reflect.get(target, name, receiver);
    },
  });
  return { write: createPositionWriter(queries), made: () => made };
}
