import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ensurePartitions } from '../../ingest/partitions.ts';
import { createPositionWriter } from '../../ingest/positions.ts';
import { connect } from '../../shared/database/postgres.ts';
import type { WritePositions } from '../../shared/position-log/group-commit.ts';
import type { LoggedPosition, Outcome } from '../../shared/position-log/index.ts';
import {
  currentOf,
  historyOf,
  logged,
  type MigratedDatabase,
  migratedDatabase,
  NOON,
} from '../support/history.ts';

const WRITERS = 4;
const ROUNDS = 25;
const DRIVERS = 40;

let database: MigratedDatabase;
let writers: { write: WritePositions; close(): Promise<void> }[];

beforeAll(async () => {
  database = await migratedDatabase();
  await ensurePartitions(database.queries, 1, NOON);
});
afterAll(() => database.drop());

/** Each as in a process of its own. */
beforeEach(() => {
  writers = Array.from({ length: WRITERS }, () => {
    const pool = connect(database.url, { poolSize: 1 });
    return { write: createPositionWriter(pool.queries), close: () => pool.close() };
  });
});
afterEach(async () => {
  await Promise.all(writers.map(({ close }) => close()));
  await database.queries.none('truncate location_history, driver_locations');
});

/** The same positions for every writer, in an order of its own. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  let state = seed * 2_654_435_761;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** All writers at once, each with one batch at a time. It fails when one of them fails: a deadlock is an error. */
async function writeAll(
  batchOf: (writer: number, round: number) => LoggedPosition[],
): Promise<{ positions: LoggedPosition[]; outcomes: readonly Outcome[] }[]> {
  const done: { positions: LoggedPosition[]; outcomes: readonly Outcome[] }[] = [];
  await Promise.all(
    writers.map(async ({ write }, writer) => {
      for (let round = 0; round < ROUNDS; round++) {
        const positions = batchOf(writer, round);
        done.push({ positions, outcomes: await write(positions) });
      }
    }),
  );
  return done;
}

const everyDriver = (round: number) =>
  Array.from({ length: DRIVERS * 5 }, (_, index) =>
    logged({
      driverId: `driver-${index % DRIVERS}`,
      recordedAt: NOON + round * 10 + Math.floor(index / DRIVERS),
    }),
  );

describe('several writers at once', () => {
  test('with the same positions in different orders store each once and never deadlock', async () => {
    const done = await writeAll((writer, round) => shuffled(everyDriver(round), writer + round * WRITERS));
    const accepted = done.flatMap(({ positions, outcomes }) =>
      positions.filter((_, index) => outcomes[index] === 'accepted'),
    );
    expect(done.flatMap(({ outcomes }) => outcomes)).toHaveLength(WRITERS * ROUNDS * DRIVERS * 5);
    expect(accepted).toHaveLength(ROUNDS * DRIVERS * 5);
    expect(new Set(accepted.map(({ driverId, recordedAt }) => `${driverId} ${recordedAt}`)).size).toBe(
      accepted.length,
    );
    expect(await historyOf(database.queries, 'driver-7')).toHaveLength(ROUNDS * 5);
  });

  test('with different positions of the same drivers end with the newest as the current one', async () => {
    const done = await writeAll((writer, round) =>
      shuffled(
        Array.from({ length: DRIVERS }, (_, index) =>
          logged({ driverId: `driver-${index}`, recordedAt: NOON + round * WRITERS + writer }),
        ),
        writer + round,
      ),
    );
    expect(new Set(done.flatMap(({ outcomes }) => outcomes))).toEqual(new Set(['accepted']));
    for (let driver = 0; driver < DRIVERS; driver++) {
      const stored = await historyOf(database.queries, `driver-${driver}`);
      expect(stored).toHaveLength(ROUNDS * WRITERS);
      expect(await currentOf(database.queries, `driver-${driver}`)).toEqual(stored.at(-1));
    }
  });

  test('with positions without a time of their own lose none to each other', async () => {
    await writeAll((writer, round) =>
      Array.from({ length: 5 }, (_, index) =>
        logged({
          timeAssigned: true,
          recordedAt: NOON + index,
          receivedAt: NOON + round,
          latitude: writer * 10 + index,
        }),
      ),
    );
    expect(await historyOf(database.queries)).toHaveLength(WRITERS * ROUNDS * 5);
  });
});
