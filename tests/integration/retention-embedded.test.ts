import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createPositionWriter } from '../../ingest/positions.ts';
import { retireDays } from '../../ingest/retention/retire-days.ts';
import { createPartition, partitionName } from '../../ingest/sql/create-partition.ts';
import { listPartitions } from '../../ingest/sql/list-partitions.ts';
import { Archives } from '../../shared/archive/erase.ts';
import { ARCHIVE_LOCK } from '../../shared/archive/lock.ts';
import { openEmbeddedDatabase } from '../../shared/database/embedded.ts';
import type { Database } from '../../shared/database/index.ts';
import { archiveFolder } from '../support/archives.ts';
import { provideDatabase } from '../support/embedded-database.ts';
import { logged } from '../support/history.ts';
import { dayAgo, fillDay, shownOf, unzipped, watched } from '../support/old-days.ts';
import { temporaryDataDir } from '../support/platform.ts';

let dataDir: Awaited<ReturnType<typeof temporaryDataDir>>;
let folder: Awaited<ReturnType<typeof archiveFolder>>;
let database: Database;

beforeAll(async () => {
  dataDir = await temporaryDataDir();
  folder = await archiveFolder();
  await provideDatabase(dataDir.path);
  database = await openEmbeddedDatabase(dataDir.path, (error) => {
    throw error;
  });
}, 180_000);
afterAll(async () => {
  await database?.close();
  await dataDir?.remove();
  await folder?.remove();
});

const OLD = dayAgo(10);
const never = new AbortController().signal;

test('in the embedded database a day is archived and dropped the same way, and commits go on meanwhile', async () => {
  const { queries, locks } = database;
  await fillDay(queries, OLD, 20_000);
  const stored = await shownOf(queries, partitionName(OLD));
  const today = Date.now();
  await createPartition(queries, today);
  const write = createPositionWriter(queries);
  await write([logged({ recordedAt: today })]);

  const process = watched({ queries, locks, archiveDir: folder.path });
  let done = false;
  const looked = retireDays(process.options, never).finally(() => {
    done = true;
  });
  const took: number[] = [];
  for (let n = 1; !done; n++) {
    const began = performance.now();
    await write([logged({ recordedAt: today + n })]);
    took.push(performance.now() - began);
  }
  await looked;
  expect(process.errors).toEqual([]);
  expect([...(await listPartitions(queries))]).toEqual([partitionName(today)]);
  expect(unzipped(folder.path, OLD)).toEqual(stored);
  // Each waits for a page at most: with the day in one statement there would be none in between
  expect(took.length).toBeGreaterThan(40);
  expect(Math.max(...took)).toBeLessThan(15_000);
});

test('an erasure that goes through archives holds up no commit, and no retention gets in between', async () => {
  const { queries, locks } = database;
  await fillDay(queries, OLD, 10);
  const process = watched({ queries, locks, archiveDir: folder.path });
  await locks.alone(ARCHIVE_LOCK, async () => {
    expect(await queries.one('select 1 as one')).toEqual({ one: 1 });
    expect(await retireDays(process.options, never)).toBe(false);
  });
  const archives = new Archives(folder.path, locks);
  const erased = archives.erase({ kind: 'positions', driverId: 'driver-1', before: OLD + 86_400_000 });
  expect(await retireDays(process.options, never)).toBe(false);
  expect(await erased).toBe(2000);
  expect(await retireDays(process.options, never)).toBe(true);
  expect(await listPartitions(queries)).not.toContain(partitionName(OLD));
});
