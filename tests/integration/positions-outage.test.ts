import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { ensurePartitions } from '../../ingest/partitions.ts';
import { createPositionWriter } from '../../ingest/positions.ts';
import { connect } from '../../shared/database/postgres.ts';
import { createDirectPositionLog } from '../../shared/position-log/direct.ts';
import type { Outcome, PositionLog, Submission } from '../../shared/position-log/index.ts';
import { type FaultyNetwork, faultyNetwork } from '../support/faulty-network.ts';
import {
  historyOf,
  logged,
  type MigratedDatabase,
  migratedDatabase,
  NOON,
  timesOf,
} from '../support/history.ts';

let database: MigratedDatabase;
let network: FaultyNetwork;
let pool: ReturnType<typeof connect>;
let log: PositionLog;
/** One entry for each time that a batch could not be written. */
let retries: number[];
let nextRetry: () => void;

beforeAll(async () => {
  database = await migratedDatabase();
  await ensurePartitions(database.queries, 1, NOON);
});
afterAll(() => database.drop());

beforeEach(async () => {
  network = await faultyNetwork(database.url);
  // Much less than the product gives a statement, so that a test need not wait as long
  pool = connect(`${network.url}?query_timeout=1000`, { poolSize: 2 });
  retries = [];
  nextRetry = () => undefined;
  log = createDirectPositionLog({
    write: createPositionWriter(pool.queries),
    newest: new Map(),
    maxQueuedPositions: 100_000,
    historyRetentionDays: 7,
    locationMinIntervalMs: 0,
    backlogMaxPerMinute: 1_000_000,
    tripOf: () => undefined,
    events: {
      retrying(_error, attempt) {
        retries.push(attempt);
        nextRetry();
      },
    },
  });
});
afterEach(async () => {
  network.mode = 'open';
  await log.close(10_000);
  await pool.close();
  await network.close();
  await database.queries.none('truncate location_history, driver_locations');
});

const live = (offset: number, driverId = 'driver-1'): Submission => {
  const { latitude, longitude, bearing, speed, accuracy, altitude, battery } = logged();
  const position = { latitude, longitude, bearing, speed, accuracy, altitude, battery };
  return {
    driverId,
    kind: 'live',
    positions: [{ ...position, recordedAt: NOON + offset }],
    receivedAt: NOON + offset,
  };
};

const withoutTime = (offset: number): Submission => {
  const submission = live(offset);
  return { ...submission, positions: submission.positions.map((one) => ({ ...one, recordedAt: null })) };
};

const append = async (...submissions: Submission[]): Promise<readonly Outcome[]> =>
  (await log.append(submissions)).kept;

const retried = () =>
  new Promise<void>((resolve) => {
    nextRetry = resolve;
  });

/** Sends until told to stop, in bursts as traffic comes; each is looked up in the database at the moment of its acknowledgement. */
async function sendWhile(
  trouble: () => Promise<void>,
): Promise<{ sent: number; missing: number; failures: unknown[] }> {
  let stopped = false;
  let sent = 0;
  let missing = 0;
  const acknowledged: Promise<unknown>[] = [];
  const failures: unknown[] = [];
  const check = async (from: number, count: number) => {
    const { found } = await database.queries.one<{ found: number }>(
      `select count(*)::int as found from location_history
        where driver_id = 'driver-1' and recorded_at >= to_timestamp($(from) / 1000.0)
          and recorded_at < to_timestamp($(before) / 1000.0)`,
      { from: NOON + from, before: NOON + from + count },
    );
    missing += count - found;
  };
  const sending = (async () => {
    while (!stopped) {
      const from = sent;
      sent += 5;
      const burst = Array.from({ length: 5 }, (_, index) => live(from + index));
      acknowledged.push(
        append(...burst)
          .then(() => check(from, 5))
          .catch((error: unknown) => failures.push(error)),
      );
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  })();
  try {
    await trouble();
  } finally {
    stopped = true;
    await sending;
  }
  await Promise.all(acknowledged);
  return { sent, missing, failures };
}

async function expectEachOnce(sent: number): Promise<void> {
  expect(timesOf(await historyOf(database.queries)).map((time) => time - NOON)).toEqual(
    Array.from({ length: sent }, (_, index) => index),
  );
}

test('connections that are cut again and again lose nothing, and nothing is acknowledged that is not stored', async () => {
  const { sent, ...faults } = await sendWhile(async () => {
    for (let round = 0; round < 4; round++) {
      const failed = retries.length;
      // A cut between two statements is mended unseen: on until one is hit, then let it recover
      for (let cuts = 0; retries.length === failed && cuts < 1000; cuts++) {
        network.cut();
        await new Promise((resolve) => setTimeout(resolve, 1 + (cuts % 7)));
      }
      await append(live(round, 'driver-2'));
    }
  });
  expect(faults).toEqual({ missing: 0, failures: [] });
  expect(retries.length).toBeGreaterThanOrEqual(4);
  await expectEachOnce(sent);
});

test('a server that ends our sessions in the middle of a statement loses nothing', async () => {
  const { sent, ...faults } = await sendWhile(async () => {
    for (let ends = 0; ends < 5; ends++) {
      const failed = retried();
      await database.queries.tx(async (transaction) => {
        await transaction.none('lock table location_history in exclusive mode');
        for (let ended = 0; ended === 0; )
          ({ ended } = await database.queries.one<{ ended: number }>(
            `select count(pg_terminate_backend(pid))::int as ended from pg_stat_activity
              where datname = current_database() and wait_event_type = 'Lock'`,
          ));
      });
      await failed;
    }
  });
  expect(faults).toEqual({ missing: 0, failures: [] });
  await expectEachOnce(sent);
});

test('while the server is away all of it waits, and then goes in, in its order', async () => {
  await append(live(0));
  network.mode = 'refusing';
  network.cut();
  const settled: number[] = [];
  const waiting = Array.from({ length: 20 }, (_, index) =>
    append(live(1 + index)).then(() => settled.push(1 + index)),
  );
  for (let failed = 0; failed < 3; failed++) await retried();
  expect(settled).toEqual([]);
  expect(log.pending()).toBe(20);
  expect(log.lagMs(NOON + 5001)).toBe(5000);

  network.mode = 'open';
  await Promise.all(waiting);
  expect(settled).toEqual(Array.from({ length: 20 }, (_, index) => 1 + index));
  expect(log.pending()).toBe(0);
  expect(log.lagMs(NOON + 5001)).toBe(0);
  await expectEachOnce(21);
});

test('a commit whose answer is lost is found again, also without times of their own', async () => {
  await append(live(0));
  network.mode = 'deaf';
  const kept = append(live(1), withoutTime(1), withoutTime(1), live(10));
  await retried();
  expect(await historyOf(database.queries)).not.toHaveLength(1);
  network.cut();
  network.mode = 'open';
  expect(await kept).toHaveLength(4);
  await append(live(20));
  expect(timesOf(await historyOf(database.queries)).map((time) => time - NOON)).toEqual([0, 1, 2, 3, 10, 20]);
});

test('a server that vanishes without a word is left for a new connection', async () => {
  await append(live(0));
  const before = network.connections;
  network.mode = 'silent';
  const kept = append(live(1));
  await retried();
  // The old connections stay as dead as they are: what comes through is new
  network.mode = 'open';
  expect(await kept).toEqual([expect.stringMatching(/^(accepted|duplicate)$/)]);
  expect(network.connections).toBeGreaterThan(before);
  await expectEachOnce(2);
});
