import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ensurePartitions } from '../../ingest/partitions.ts';
import { createPositionWriter } from '../../ingest/positions.ts';
import type { WritePositions } from '../../shared/position-log/group-commit.ts';
import type { PositionLog } from '../../shared/position-log/index.ts';
import { startCuttableProxy } from '../support/cuttable-proxy.ts';
import { type MigratedDatabase, migratedDatabase, NOON } from '../support/history.ts';
import { LogCluster, live, submission } from '../support/log-cluster.ts';

let database: MigratedDatabase;
let cluster: LogCluster;
let store: WritePositions;

beforeAll(async () => {
  database = await migratedDatabase();
  await ensurePartitions(database.queries, 1, NOON);
});
afterAll(() => database.drop());
beforeEach(() => {
  cluster = new LogCluster();
  store = createPositionWriter(database.queries);
});
afterEach(async () => {
  await cluster.close();
  await database.queries.none('truncate location_history, driver_locations');
});

async function stored(): Promise<{ rows: number; distinct: number }> {
  return database.queries.one(
    `select count(*)::int as rows, count(distinct (driver_id, recorded_at))::int as distinct from location_history`,
  );
}

async function until(holds: () => boolean | Promise<boolean>, seconds = 20): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error('not in time');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const untilStored = (rows: number) => until(async () => (await stored()).rows === rows);

/** A position of each driver and second. */
async function send(log: PositionLog, drivers: number, seconds: number): Promise<number> {
  for (let second = 0; second < seconds; second++) {
    const { kept } = await log.append(
      Array.from({ length: drivers }, (_, driver) => live(`driver-${driver}`, NOON + second * 1000)),
    );
    await kept;
  }
  return drivers * seconds;
}

test('several workers store everything once, and the log is empty then', async () => {
  const logs = [await cluster.log(), await cluster.log()];
  // The first has no end before a second has something too, however much faster it is
  const writing = new Set<number>();
  let shared = () => {};
  const isShared = new Promise<void>((resolve) => {
    shared = resolve;
  });
  for (let worker = 0; worker < 3; worker++)
    cluster.worker(async (...batch) => {
      if (writing.add(worker).size > 1) shared();
      await isShared;
      return store(...batch);
    });
  const sent = await Promise.all(
    logs.map(async (log, index) => {
      const batches = Array.from({ length: 20 }, (_, batch) =>
        submission(
          `backlog-${index}`,
          'backlog',
          Array.from({ length: 500 }, (_, at) => NOON + batch * 1000 + at),
        ),
      );
      for (const batch of batches) await (await log.append([batch])).kept;
      return (await send(log, 50, 20)) + (index === 0 ? 20_000 : 0);
    }),
  );
  expect(sent).toHaveLength(2);
  // Both logs sent the same positions of driver-0 to driver-49
  await untilStored(20_000 + 1000);
  await until(async () => (await cluster.entries()) === 0);
  expect(await stored()).toEqual({ rows: 21_000, distinct: 21_000 });
});

test('what a position says is what is stored', async () => {
  const log = await cluster.log();
  cluster.worker(store);
  await (await log.append([submission('bob', 'backlog', [NOON, null, NOON + 1], NOON + 7)])).kept;
  await untilStored(3);
  const rows = await database.queries.any(
    `select driver_id, recorded_at::timestamptz = received_at as same, speed, battery, bearing,
            st_y(location::geometry) as latitude, st_x(location::geometry) as longitude
       from location_history order by recorded_at`,
  );
  const said = { driver_id: 'bob', speed: 12.5, battery: 80, bearing: null, latitude: 48.2, longitude: 16.4 };
  expect(rows).toEqual([
    { ...said, same: false },
    { ...said, same: false },
    { ...said, same: true },
  ]);
});

test('what a worker that died had under way is stored by another one', async () => {
  const log = await cluster.log();
  const hung = new Promise<never>(() => undefined);
  let given = 0;
  const dead = cluster.worker((positions) => {
    given += positions.length;
    return hung;
  });
  const sent = await send(log, 20, 5);
  await until(() => given > 0);
  cluster.abandon(dead);
  cluster.worker(store);
  await untilStored(sent);
  await until(async () => (await cluster.entries()) === 0);
});

test('while the database is away the same is tried again, and all of it is stored then', async () => {
  const log = await cluster.log();
  let isAway = true;
  let retries = 0;
  const worker = cluster.worker(
    (positions) => (isAway ? Promise.reject(new Error('away')) : store(positions)),
    { claimAfterMs: 300, events: { committed: () => undefined, retrying: () => retries++ } },
  );
  const sent = await send(log, 10, 10);
  await until(() => retries > 3);
  await until(() => worker.pending() === sent);
  expect(worker.lagMs(Date.now())).toBeGreaterThan(300);
  isAway = false;
  await untilStored(sent);
  await until(() => worker.pending() === 0);
  expect(worker.lagMs(Date.now())).toBe(0);
});

test('what can not be understood is set aside with the reason, and what stands beside it is stored', async () => {
  const log = await cluster.log();
  const [shard = ''] = cluster.shards.names;
  const broken = [
    'l|12|0|||[[1,2]]',
    'nonsense',
    'l|12|0|||[["x",2,null,null,null,null,null,5]]',
    'l|1|0|||{',
  ];
  await cluster.commands.xadd(
    cluster.shards.log(shard),
    '*',
    'c',
    '0',
    ...broken.flatMap((value) => ['eve', value]),
  );
  await send(log, 10, 1);
  const malformed: number[] = [];
  cluster.worker(store, { malformed: (entries) => malformed.push(entries) });
  await untilStored(10);
  await until(async () => (await cluster.entries()) === 0);
  expect(malformed.reduce((sum, entries) => sum + entries, 0)).toBe(broken.length);
  expect((await cluster.deadLetters()).map((fields) => [fields[1], fields[3], fields[5]])).toEqual([
    ['not rows of positions', 'eve', broken[0]],
    ['no header', 'eve', broken[1]],
    ['not rows of positions', 'eve', broken[2]],
    ['not JSON', 'eve', broken[3]],
  ]);
});

test('another group of consumers gets what the workers are done with, before it is trimmed', async () => {
  const log = await cluster.log();
  for (const shard of cluster.shards.names)
    await cluster.commands.xgroup('CREATE', cluster.shards.log(shard), 'other', '0', 'MKSTREAM');
  cluster.worker(store);
  await send(log, 10, 10);
  await untilStored(100);
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(await cluster.entries()).toBeGreaterThan(0);
  for (const shard of cluster.shards.names)
    await cluster.commands.xreadgroup(
      'GROUP',
      'other',
      'me',
      'NOACK',
      'STREAMS',
      cluster.shards.log(shard),
      '>',
    );
  await until(async () => (await cluster.entries()) === 0);
});

describe('while Redis is away', () => {
  test('positions are delivered and held; they are acknowledged and stored once it is back', async () => {
    const proxy = await startCuttableProxy(process.env.TEST_REDIS_URL ?? '');
    const log = await cluster.log({}, proxy.url);
    cluster.worker(store);
    try {
      await send(log, 5, 2);
      await proxy.cut();
      let acknowledged = 0;
      const { decisions, kept } = await log.append([
        live('driver-1', NOON + 5000),
        live('driver-1', NOON + 4000),
        live('driver-2', NOON - 1),
        live('new', NOON),
      ]);
      kept.then(() => acknowledged++);
      // Newer than all before, by what is known here
      expect(decisions.map((decision) => decision.admitted && decision.newest?.recordedAt)).toEqual([
        NOON + 5000,
        undefined,
        undefined,
        NOON,
      ]);
      expect(log.pending()).toBe(4);
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(acknowledged).toBe(0);
      expect(log.lagMs(Date.now())).toBeGreaterThan(400);
      await proxy.restore();
      expect(await kept).toEqual(['accepted', 'accepted', 'accepted', 'accepted']);
      await untilStored(14);
      expect(log.pending()).toBe(0);
    } finally {
      await proxy.cut();
    }
  });

  test('no more is held than fits', async () => {
    const proxy = await startCuttableProxy(process.env.TEST_REDIS_URL ?? '');
    const log = await cluster.log({ maxQueuedPositions: 3 }, proxy.url);
    await proxy.cut();
    const { decisions, kept } = await log.append(['a', 'b', 'c', 'd'].map((driver) => live(driver, NOON)));
    expect(decisions.map((decision) => (decision.admitted ? 'held' : decision.code))).toEqual([
      'held',
      'held',
      'held',
      'OVERLOADED',
    ]);
    const given = kept.then(
      () => 'kept',
      () => 'not kept',
    );
    await log.close(100);
    expect(await given).toBe('not kept');
  });
});
