import { mkdir, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { LateTracks } from '../../ingest/late-tracks.ts';
import { ensurePartitions } from '../../ingest/partitions.ts';
import { createPositionWriter } from '../../ingest/positions.ts';
import { archiveDay } from '../../ingest/retention/archive-day.ts';
import { retireDays } from '../../ingest/retention/retire-days.ts';
import { createPartition, partitionName } from '../../ingest/sql/create-partition.ts';
import { listPartitions } from '../../ingest/sql/list-partitions.ts';
import { archiveName } from '../../shared/archive/files.ts';
import { ARCHIVE_LOCK } from '../../shared/archive/lock.ts';
import type { Session } from '../../shared/database/index.ts';
import { createAdvisoryLocks } from '../../shared/database/locks.ts';
import { connect } from '../../shared/database/postgres.ts';
import { archiveFolder } from '../support/archives.ts';
import { logged, type MigratedDatabase, migratedDatabase, silent } from '../support/history.ts';
import { dayAgo, fillDay, nameOfDay, shownOf, unzipped, watched } from '../support/old-days.ts';

let database: MigratedDatabase;
let folder: Awaited<ReturnType<typeof archiveFolder>>;
const pools: ReturnType<typeof connect>[] = [];

beforeAll(async () => {
  database = await migratedDatabase(4);
});
afterAll(() => database.drop());
beforeEach(async () => {
  folder = await archiveFolder();
});
afterEach(async () => {
  await Promise.all(pools.splice(0).map(({ close }) => close()));
  for (const name of await listPartitions(database.queries))
    await database.queries.none('drop table $(name:name)', { name });
  await folder.remove();
});

/** One process of several. */
function worker(archiveDir: string | undefined = folder.path) {
  const pool = connect(database.url, { poolSize: 2 });
  pools.push(pool);
  const { queries } = pool;
  return watched({ queries, locks: createAdvisoryLocks(queries), archiveDir });
}

const never = new AbortController().signal;
const look = (process: ReturnType<typeof worker>, signal = never) => retireDays(process.options, signal);
const days = async () => [...(await listPartitions(database.queries))].sort();

/** Over whatever the hour is: eight days and an hour after it began, at the latest. */
const OLD = dayAgo(10);
const OLDER = dayAgo(11);

describe('a day past the retention', () => {
  test('is archived, as REST shows its positions, and dropped', async () => {
    await fillDay(database.queries, OLD, 2500);
    const stored = await shownOf(database.queries, partitionName(OLD));
    const process = worker();
    expect(await look(process)).toBe(true);
    expect(await days()).toEqual([]);
    expect(await folder.names()).toEqual([archiveName(OLD)]);
    expect(unzipped(folder.path, OLD)).toEqual(stored);
    expect(stored).toHaveLength(2500);
    expect((await stat(folder.fileOf(nameOfDay(OLD)))).mode & 0o777).toBe(0o600);
    expect([await process.dropped(), await process.failures(), await process.partitions()]).toEqual([
      1, 0, 0,
    ]);
  });

  test('is dropped only where there is no folder for archives', async () => {
    await fillDay(database.queries, OLD, 10);
    await look(worker(undefined));
    expect(await days()).toEqual([]);
  });

  test('goes alone: the days for which a position may come stay, and are made again by nobody', async () => {
    await ensurePartitions(database.queries, 7, Date.now());
    const kept = await days();
    await fillDay(database.queries, OLD, 10);
    await fillDay(database.queries, OLDER, 10);
    const process = worker();
    await look(process);
    expect(await days()).toEqual(kept);
    expect(await ensurePartitions(database.queries, 7, Date.now())).toEqual([]);
    expect(await process.dropped()).toBe(2);
    expect(await process.partitions()).toBe(10);
  });

  test('leaves no archive where nothing was recorded', async () => {
    await createPartition(database.queries, OLD);
    await look(worker());
    expect(await days()).toEqual([]);
    expect(await folder.names()).toEqual([]);
  });

  test('and tables that are not days of ours stay', async () => {
    await database.queries.none('create table location_history_rest partition of location_history default');
    await look(worker());
    expect(await days()).toEqual(['location_history_rest']);
  });
});

describe('an archive that is there already', () => {
  test('and says the same is not written again', async () => {
    await fillDay(database.queries, OLD, 100);
    const process = worker();
    await archiveOnly(process);
    const path = folder.fileOf(nameOfDay(OLD));
    await utimes(path, 1, 1);
    await look(process);
    expect(await days()).toEqual([]);
    expect((await stat(path)).mtimeMs).toBe(1000);
  });

  test('gets what came late, and keeps what it had', async () => {
    await fillDay(database.queries, OLD, 2100);
    const before = await shownOf(database.queries, partitionName(OLD));
    await look(worker());
    const late = logged({ driverId: 'late', recordedAt: OLD + 5, receivedAt: OLD + 6 });
    await createPositionWriter(database.queries)([late]);
    const added = await shownOf(database.queries, partitionName(OLD));
    await look(worker());
    expect(await days()).toEqual([]);
    expect(unzipped(folder.path, OLD)).toEqual([...before, ...added].sort());
    expect(added).toHaveLength(1);
  });

  test('and has nothing that the day lacks is as it was, where the day has come back empty', async () => {
    await fillDay(database.queries, OLD, 50);
    await look(worker());
    const bytes = await folder.bytes(nameOfDay(OLD));
    await createPartition(database.queries, OLD);
    await look(worker());
    expect(await days()).toEqual([]);
    expect(await folder.bytes(nameOfDay(OLD))).toEqual(bytes);
  });

  test('but damaged is left alone: the day stays, which is told, and the others go', async () => {
    await fillDay(database.queries, OLD, 10);
    await fillDay(database.queries, OLDER, 10);
    const damaged = gzipSync('{"driverId":"secret-driver"}\n').subarray(0, -4);
    await writeFile(folder.fileOf(nameOfDay(OLDER)), damaged);
    const process = worker();
    expect(await look(process)).toBe(true);
    expect(await days()).toEqual([partitionName(OLDER)]);
    expect(await folder.bytes(nameOfDay(OLDER))).toEqual(damaged);
    expect([await process.dropped(), await process.failures()]).toEqual([1, 1]);
    expect(String(process.errors)).not.toContain('secret-driver');
    await rm(folder.fileOf(nameOfDay(OLDER)));
    await look(process);
    expect(await days()).toEqual([]);
  });
});

/** As a process that dies between the archive and the drop. */
const archiveOnly = ({ options }: ReturnType<typeof worker>) =>
  options.locks.alone(ARCHIVE_LOCK, (session) =>
    archiveDay(folder.path, OLD, { session, table: partitionName(OLD), signal: never }),
  );

describe('where it can not be done', () => {
  test('because the folder takes no file the day stays, nothing else is left, and it is tried again', async () => {
    await fillDay(database.queries, OLD, 10);
    await folder.remove();
    await writeFile(folder.path, 'no folder');
    const process = worker();
    await look(process);
    expect(await days()).toEqual([partitionName(OLD)]);
    expect([await process.dropped(), await process.failures()]).toEqual([0, 1]);
    await rm(folder.path);
    await look(process);
    expect(await days()).toEqual([]);
    expect(unzipped(folder.path, OLD)).toHaveLength(10);
  });

  test('because something is in its place, the temporary file goes', async () => {
    await fillDay(database.queries, OLD, 10);
    await mkdir(folder.fileOf(nameOfDay(OLD)));
    const process = worker();
    await look(process);
    expect(await days()).toEqual([partitionName(OLD)]);
    expect(await readdir(folder.path)).toEqual([archiveName(OLD)]);
    expect(await process.failures()).toBe(1);
  });

  test('because what was written is not what the database has, nothing is put in its place', async () => {
    await fillDay(database.queries, OLD, 1500);
    const { options } = worker();
    const forgetful = (session: Session): Session =>
      new Proxy(session, {
        get(target, name) {
          if (name !== 'any') return Reflect.get(target, name);
          return async (...args: Parameters<Session['any']>) => (await target.any(...args)).slice(1);
        },
      });
    const archiving = options.locks.alone(ARCHIVE_LOCK, (session) =>
      archiveDay(folder.path, OLD, {
        session: forgetful(session),
        table: partitionName(OLD),
        signal: never,
      }),
    );
    await expect(archiving).rejects.toThrow('is not what the database has');
    expect(await folder.names()).toEqual([]);
  });

  test('because the process is stopped it ends soon and leaves all as it was', async () => {
    await fillDay(database.queries, OLD, 30_000);
    const process = worker();
    const ending = new AbortController();
    const looked = look(process, ending.signal);
    await until(async () => (await folder.names()).length > 0);
    ending.abort();
    await looked;
    expect(await folder.names()).toEqual([]);
    expect(await days()).toEqual([partitionName(OLD)]);
    expect([await process.dropped(), await process.failures(), process.errors]).toEqual([0, 0, []]);
  });
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}

test('a trip of which a part is gone keeps its length when positions of the rest arrive late', async () => {
  const hours = (count: number) => count * 3_600_000;
  const today = dayAgo(0);
  await createPartition(database.queries, today);
  await createPartition(database.queries, dayAgo(1));
  // With one day kept, what was before yesterday may be gone
  const starts = [dayAgo(1) - 1, dayAgo(1)];
  for (const start of starts)
    await database.queries.none(
      `insert into trip_tracking (rider_id, driver_id, status, pickup, dropoff, started_at, completed_at, distance_meters)
       values ('rider-1', $(driverId), 'COMPLETED', 'point(1 1)', 'point(1 1)', to_timestamp($(start) / 1000.0),
               to_timestamp($(end) / 1000.0), 1234)`,
      { driverId: `of-${start}`, start, end: today },
    );
  const positions = starts.flatMap((start) =>
    [2, 3].map((hour) =>
      logged({
        driverId: `of-${start}`,
        recordedAt: dayAgo(1) + hours(hour),
        receivedAt: today + hours(hour),
        latitude: hour,
      }),
    ),
  );
  await createPositionWriter(database.queries)(positions);
  const lateTracks = new LateTracks(database.queries, 1, silent);
  lateTracks.committed(positions);
  await lateTracks.stop();
  const lengths = await database.queries.any<{ distance_meters: number }>(
    'select distance_meters from trip_tracking order by started_at',
  );
  expect(lengths[0]?.distance_meters).toBe(1234);
  expect(lengths[1]?.distance_meters).toBeGreaterThan(100_000);
});

test('connections, keys of bookings and revocations that are old enough are forgotten, whatever their number', async () => {
  await database.queries.none(
    `insert into connection_sessions (sub, role, client_id, broker_id, transport, opened_at, closed_at)
     select 'sub', 'DRIVER', 'client', 'broker', 'TCP', now() - interval '30 days', closed_at
       from (select now() - interval '8 days' as closed_at from generate_series(1, 2500)
             union all select now() - interval '6 days' union all select null) as closed;
     insert into idempotency_keys (sub, key, fingerprint, created_at)
     select 'sub', n::text, '', case when n > 0 then now() - interval '25 hours' else now() end from generate_series(0, 1500) n;
     insert into revocations (kind, value, until)
     select 'jti', n::text, case when n > 0 then now() - interval '1 s' else now() + interval '1 h' end
       from generate_series(0, 1500) n`,
  );
  await look(worker());
  expect(
    await database.queries.one(
      `select (select count(*)::int from connection_sessions) as connections,
              (select count(*)::int from idempotency_keys) as keys, (select count(*)::int from revocations) as revocations`,
    ),
  ).toEqual({ connections: 2, keys: 1, revocations: 1 });
});
