import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { Client } from 'pg';
import { createPositionWriter } from '../../ingest/positions.ts';
import { keepOutOfArchiving } from '../../ingest/retention/overdue-writes.ts';
import { retireDays } from '../../ingest/retention/retire-days.ts';
import { createPartition, partitionName } from '../../ingest/sql/create-partition.ts';
import { listPartitions } from '../../ingest/sql/list-partitions.ts';
import { Archives } from '../../shared/archive/erase.ts';
import { archiveName } from '../../shared/archive/files.ts';
import { ARCHIVE_LOCK } from '../../shared/archive/lock.ts';
import { createAdvisoryLocks } from '../../shared/database/locks.ts';
import { connect } from '../../shared/database/postgres.ts';
import { archiveFolder } from '../support/archives.ts';
import { DAY_MS, logged, type MigratedDatabase, migratedDatabase } from '../support/history.ts';
import { dayAgo, fillDay, nameOfDay, shownOf, unzipped, watched } from '../support/old-days.ts';

/* Old days, where others are at work at the same time. */

type Worker = ReturnType<typeof watched>;

type Scene = {
  database: MigratedDatabase;
  folder: Awaited<ReturnType<typeof archiveFolder>>;
  /** One process of several. */
  worker(): Worker;
  look(process: Worker): Promise<boolean>;
  days(): Promise<string[]>;
};

/** With a database and a folder of its own: most of it is waiting, so all of them wait at the same time. */
const alone = (play: (scene: Scene) => Promise<void>) => async () => {
  const database = await migratedDatabase(4);
  const folder = await archiveFolder();
  const pools: ReturnType<typeof connect>[] = [];
  try {
    await play({
      database,
      folder,
      worker() {
        const pool = connect(database.url, { poolSize: 2 });
        pools.push(pool);
        const { queries } = pool;
        return watched({ queries, locks: createAdvisoryLocks(queries), archiveDir: folder.path });
      },
      look: ({ options }) => retireDays(options, new AbortController().signal),
      days: async () => [...(await listPartitions(database.queries))].sort(),
    });
  } finally {
    await Promise.all(pools.map(({ close }) => close()));
    await database.drop();
    await folder.remove();
  }
};

/** Over whatever the hour is: eight days and an hour after it began, at the latest. */
const OLD = dayAgo(10);

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(1);
}

/** Somebody who reads the history and does not end. */
async function reading(url: string): Promise<Client> {
  const reader = new Client({ connectionString: url });
  await reader.connect();
  await reader.query('begin');
  await reader.query('select from location_history limit 1');
  return reader;
}

test.concurrent(
  'a day that somebody reads without end holds nobody up for long, and goes when they are done',
  alone(async ({ database, worker, look, days }) => {
    await fillDay(database.queries, OLD, 10);
    const today = Date.now();
    await createPartition(database.queries, today);
    const reader = await reading(database.url);
    const process = worker();
    const looked = look(process);
    let slowest = 0;
    let done = false;
    void looked.finally(() => {
      done = true;
    });
    const write = createPositionWriter(database.queries);
    for (let n = 0; !done; n++) {
      const began = Date.now();
      await write([logged({ recordedAt: today + n })]);
      slowest = Math.max(slowest, Date.now() - began);
    }
    await reader.end();
    expect(await process.failures()).toBe(1);
    expect(slowest).toBeLessThan(15_000);
    expect(await days()).toContain(partitionName(OLD));
    await look(process);
    expect(await days()).toEqual([partitionName(today)]);
  }),
);

test.concurrent(
  'of several processes one at a time is at it, and every day goes once',
  alone(async ({ database, folder, worker, look, days }) => {
    const old = [9, 10, 11, 12, 13].map(dayAgo);
    const stored = new Map<number, string[]>();
    for (const day of old) {
      await fillDay(database.queries, day, 1500);
      stored.set(day, await shownOf(database.queries, partitionName(day)));
    }
    const processes = [worker(), worker(), worker(), worker()];
    await Promise.all(
      processes.map(async (process) => {
        while (!(await look(process))) await new Promise((resolve) => setTimeout(resolve, 100));
      }),
    );
    expect(await days()).toEqual([]);
    for (const day of old) expect(unzipped(folder.path, day)).toEqual(stored.get(day));
    const counts = await Promise.all(processes.map(({ dropped }) => dropped()));
    expect(counts.reduce((sum, count) => sum + count)).toBe(old.length);
    for (const process of processes) expect(process.errors).toEqual([]);
  }),
);

test.concurrent(
  'a process that has lost its session drops nothing, and another one goes on',
  alone(async ({ database, folder, worker, look, days }) => {
    await fillDay(database.queries, OLD, 30_000);
    const process = worker();
    const looked = look(process);
    await until(async () => (await folder.names()).length > 0);
    const { ended } = await database.queries.one<{ ended: number }>(
      `select count(pg_terminate_backend(pid))::int as ended
       from pg_locks where locktype = 'advisory' and granted and objid = $(lock)
        and database = (select oid from pg_database where datname = current_database())`,
      { lock: ARCHIVE_LOCK },
    );
    expect(ended).toBe(1);
    await looked;
    expect([await process.dropped(), await process.failures()]).toEqual([0, 1]);
    expect(await days()).toEqual([partitionName(OLD)]);
    expect(await folder.names()).toEqual([]);
    const stored = await shownOf(database.queries, partitionName(OLD));
    await look(worker());
    expect(unzipped(folder.path, OLD)).toEqual(stored);
  }),
);

test.concurrent(
  'what a process left that died is gone after the next look',
  alone(async ({ database, folder, worker, look }) => {
    await fillDay(database.queries, OLD, 10);
    await writeFile(`${folder.fileOf(nameOfDay(OLD))}.0.archiving`, 'half');
    await look(worker());
    expect(await folder.names()).toEqual([archiveName(OLD)]);
  }),
);

test.concurrent(
  'while a day is archived an erasure misses nothing',
  alone(async ({ database, folder, worker, look, days }) => {
    await fillDay(database.queries, OLD, 20_000);
    const kept = (await shownOf(database.queries, partitionName(OLD))).filter(
      (line) => !line.includes('"driver-3"'),
    );
    const looked = look(worker());
    await until(async () => (await folder.names()).length > 0);
    await database.queries.none(`delete from location_history where driver_id = 'driver-3'`);
    const erasing = worker();
    await new Archives(folder.path, erasing.options.locks).erase({
      kind: 'positions',
      driverId: 'driver-3',
      before: OLD + 2 * DAY_MS,
    });
    await looked;
    await look(erasing);
    expect(await days()).toEqual([]);
    expect(unzipped(folder.path, OLD)).toEqual(kept);
  }),
);

test.concurrent(
  'a position of a day that is being archived waits when it comes out of a long outage, and gets into the archive',
  alone(async ({ database, folder, worker, look }) => {
    await fillDay(database.queries, OLD, 20_000);
    const before = await shownOf(database.queries, partitionName(OLD));
    const process = worker();
    const looked = look(process);
    await until(async () => (await folder.names()).length > 0);
    const ingest = worker();
    const write = keepOutOfArchiving(createPositionWriter(ingest.options.queries), ingest.options.locks, 7);
    const late = logged({ driverId: 'late', recordedAt: OLD + 1, receivedAt: OLD + 2 });
    await expect(write([late])).rejects.toThrow('while one is archived');
    const now = Date.now();
    await createPartition(database.queries, now);
    // Others do not wait
    expect(await write([logged({ recordedAt: now })])).toEqual(['accepted']);
    expect(await process.dropped()).toBe(0);
    await looked;
    expect(await process.dropped()).toBe(1);
    expect(await write([late])).toEqual(['accepted']);
    const added = await shownOf(database.queries, partitionName(OLD));
    expect(added).toHaveLength(1);
    await look(process);
    expect(unzipped(folder.path, OLD)).toEqual([...before, ...added].sort());
  }),
);
