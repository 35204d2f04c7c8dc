import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Client } from 'pg';
import { ensurePartitions, keepPartitionsAhead } from '../../ingest/partitions.ts';
import { createPositionWriter } from '../../ingest/positions.ts';
import { createPartition, partitionName } from '../../ingest/sql/create-partition.ts';
import { listPartitions } from '../../ingest/sql/list-partitions.ts';
import { connect } from '../../shared/database/postgres.ts';
import {
  DAY_MS,
  historyOf,
  logged,
  type MigratedDatabase,
  migratedDatabase,
  NOON,
  silent,
} from '../support/history.ts';

let database: MigratedDatabase;

beforeAll(async () => {
  database = await migratedDatabase(8);
});
afterAll(() => database.drop());

afterEach(async () => {
  for (const name of await listPartitions(database.queries))
    await database.queries.none('drop table $(name:name)', { name });
});

const midnight = NOON - DAY_MS / 2;

describe('making partitions ahead', () => {
  test('makes one for every day that a position may fall into, and for two days more', async () => {
    const made = await ensurePartitions(database.queries, 7, NOON);
    expect(made).toEqual(
      Array.from({ length: 10 }, (_, index) => partitionName(NOON + (index - 7) * DAY_MS)),
    );
    expect(await listPartitions(database.queries)).toEqual(new Set(made));
  });

  test('makes none again', async () => {
    await ensurePartitions(database.queries, 2, NOON);
    expect(await ensurePartitions(database.queries, 2, NOON)).toEqual([]);
    expect(await ensurePartitions(database.queries, 2, NOON + DAY_MS)).toEqual([
      partitionName(NOON + 3 * DAY_MS),
    ]);
  });

  test('gives each a primary key and the index of the parent', async () => {
    await createPartition(database.queries, NOON);
    const indexes = await database.queries.any<{ definition: string; parent: string | null }>(
      `select pg_get_indexdef(indexrelid) as definition, inhparent::regclass::text as parent
         from pg_index left join pg_inherits on inhrelid = indexrelid
        where indrelid = $(name)::regclass order by parent`,
      { name: partitionName(NOON) },
    );
    expect(indexes).toEqual([
      {
        definition: expect.stringMatching(/UNIQUE .*\(driver_id, recorded_at\)/),
        parent: 'location_history_pkey',
      },
      {
        definition: expect.stringMatching(/brin \(recorded_at\)/),
        parent: 'location_history_recorded_at_idx',
      },
    ]);
  });

  test('is done by several processes at once, without a fault in any of them', async () => {
    const pools = Array.from({ length: 5 }, () => connect(database.url, { poolSize: 1 }));
    try {
      for (let round = 0; round < 5; round++)
        await Promise.all(
          pools.map(({ queries }) => ensurePartitions(queries, 3, NOON + round * 10 * DAY_MS)),
        );
      expect((await listPartitions(database.queries)).size).toBe(5 * 6);
    } finally {
      await Promise.all(pools.map(({ close }) => close()));
    }
  });

  test('waits for nobody who reads or writes the history, and lets nobody wait', async () => {
    await createPartition(database.queries, NOON);
    const reader = new Client({ connectionString: database.url });
    const writer = new Client({ connectionString: database.url });
    await reader.connect();
    await writer.connect();
    try {
      await reader.query('begin');
      await reader.query('select * from location_history');
      await writer.query('begin');
      await writer.query(
        `insert into location_history (driver_id, recorded_at, received_at, location)
         values ('open', to_timestamp(${NOON} / 1000.0), now(), 'point(1 1)')`,
      );
      // Where it had to wait, neither of these would ever be done: the two transactions stay open
      await createPartition(database.queries, NOON + DAY_MS);
      expect(
        await createPositionWriter(database.queries)([logged(), logged({ recordedAt: NOON + DAY_MS })]),
      ).toEqual(['accepted', 'accepted']);
    } finally {
      await reader.end();
      await writer.end();
    }
  });

  test('takes a table back that was detached', async () => {
    await createPartition(database.queries, NOON);
    await createPositionWriter(database.queries)([logged({ driverId: 'detached' })]);
    await database.queries.none('alter table location_history detach partition $(name:name)', {
      name: partitionName(NOON),
    });
    expect(await historyOf(database.queries, 'detached')).toEqual([]);
    await createPartition(database.queries, NOON);
    expect(await historyOf(database.queries, 'detached')).toHaveLength(1);
  });

  test('bounds are days of UTC, whatever the time zone of the session', async () => {
    const client = new Client({
      connectionString: `${database.url}?options=-c%20timezone%3DPacific/Auckland`,
    });
    const pool = connect(`${database.url}?options=-c%20timezone%3DPacific/Auckland`, { poolSize: 1 });
    try {
      await createPartition(pool.queries, NOON);
      await createPositionWriter(pool.queries)([
        logged({ recordedAt: midnight }),
        logged({ recordedAt: midnight + DAY_MS - 1 }),
      ]);
      await client.connect();
      const { rows } = await client.query(`select count(*)::int from ${partitionName(NOON)}`);
      expect(rows).toEqual([{ count: 2 }]);
      expect(await listPartitions(database.queries)).toEqual(new Set([partitionName(NOON)]));
    } finally {
      await client.end();
      await pool.close();
    }
  });
});

describe('a position without a partition', () => {
  test('gets one, on either side of midnight', async () => {
    const positions = [midnight - 1, midnight, midnight + DAY_MS - 1, midnight + DAY_MS].map((recordedAt) =>
      logged({ recordedAt, driverId: 'midnight' }),
    );
    expect(await createPositionWriter(database.queries)(positions)).toEqual(positions.map(() => 'accepted'));
    expect(await historyOf(database.queries, 'midnight')).toEqual(positions);
    expect(await listPartitions(database.queries)).toEqual(
      new Set([-1, 0, 1].map((day) => partitionName(NOON + day * DAY_MS))),
    );
  });

  test('gets one also while several writers miss the same', async () => {
    const writers = Array.from({ length: 6 }, () => createPositionWriter(database.queries));
    const outcomes = await Promise.all(
      writers.map((write, index) => write([logged({ driverId: `writer-${index}` })])),
    );
    expect(outcomes).toEqual(writers.map(() => ['accepted']));
  });

  test('moves on into the next day where its own is full to the brim', async () => {
    await createPartition(database.queries, NOON);
    const last = midnight + DAY_MS - 1;
    const write = createPositionWriter(database.queries);
    await write([logged({ driverId: 'late', recordedAt: last })]);
    const moved = logged({ driverId: 'late', recordedAt: last, timeAssigned: true, latitude: 1 });
    expect(await write([moved])).toEqual(['accepted']);
    expect(moved.recordedAt).toBe(last + 1);
    expect(await historyOf(database.queries, 'late')).toHaveLength(2);
  });

  test('is told from one that the database refuses without words: a server may speak any language', async () => {
    const refusing = new Proxy(database.queries, {
      get(target, name, receiver) {
        if (name !== 'any') return Reflect.get(target, name, receiver);
        return async (...args: Parameters<typeof target.any>) => {
          try {
            return await target.any(...args);
          } catch (error) {
            throw Object.assign(error as Error, {
              message: 'keine Partition von Relation »location_history« gefunden',
            });
          }
        };
      },
    });
    expect(await createPositionWriter(refusing)([logged()])).toEqual(['accepted']);
  });
});

describe('keeping partitions ahead', () => {
  beforeEach(() => {
    jest.useFakeTimers({ now: NOON, doNotFake: ['nextTick', 'setImmediate', 'setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test('makes them at once, and goes on from hour to hour until it is stopped', async () => {
    const messages: string[] = [];
    const log = Object.assign(Object.create(silent), {
      info: (_: object, text: string) => messages.push(text),
    });
    const stop = await keepPartitionsAhead(database.queries, 1, log);
    expect((await listPartitions(database.queries)).size).toBe(4);

    jest.setSystemTime(NOON + DAY_MS);
    await jest.advanceTimersByTimeAsync(3_600_000);
    await until(() => messages.length > 0);
    expect(await listPartitions(database.queries)).toContain(partitionName(NOON + 3 * DAY_MS));

    stop();
    expect(jest.getTimerCount()).toBe(0);
  });
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}
