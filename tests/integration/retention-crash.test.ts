import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { partitionName } from '../../ingest/sql/create-partition.ts';
import { listPartitions } from '../../ingest/sql/list-partitions.ts';
import { archiveName } from '../../shared/archive/files.ts';
import { archiveFolder } from '../support/archives.ts';
import { spawn } from '../support/child-process.ts';
import { type MigratedDatabase, migratedDatabase } from '../support/history.ts';
import { dayAgo, fillDay, shownOf, unzipped } from '../support/old-days.ts';
import { compiled } from '../support/platform.ts';

const OLD = dayAgo(10);
const TABLE = partitionName(OLD);

let database: MigratedDatabase;
let folder: Awaited<ReturnType<typeof archiveFolder>>;

beforeAll(async () => {
  database = await migratedDatabase(2);
});
afterAll(() => database.drop());
beforeEach(async () => {
  folder = await archiveFolder();
});
afterEach(() => folder.remove());

/** A process of its own that looks at old days once. `signal`: what ended it. */
async function look(killAt: number, ...nodeOptions: string[]) {
  const child = spawn(process.execPath, [...nodeOptions, compiled('tests/support/retention-process.ts')], {
    env: {
      PATH: process.env.PATH ?? '',
      DATABASE_URL: database.url,
      ARCHIVE_DIR: folder.path,
      KILL_AT: String(killAt),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close') as Promise<[number | null, string | null]>;
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [status, signal] = await closed;
  return {
    status,
    signal,
    output: output + errors,
    steps: /^steps: (.*)$/m.exec(output)?.[1]?.split(' ') ?? [],
  };
}

const isThere = async () => (await listPartitions(database.queries)).has(TABLE);

test('a crash at any step leaves the day or its whole archive, and the next look finishes it', async () => {
  const rows = 1200;
  await fillDay(database.queries, OLD, rows);
  const { steps, output } = await look(0);
  for (const name of ['with', 'select', 'write', 'fsync', 'rename', 'alter', 'drop', 'commit'])
    expect({ steps, output }).toMatchObject({ steps: expect.arrayContaining([name]) });
  await folder.remove();

  let withBoth = 0;
  for (let killAt = steps.indexOf('with'); killAt <= steps.lastIndexOf('commit') + 1; killAt++) {
    folder = await archiveFolder();
    if (!(await isThere())) await fillDay(database.queries, OLD, rows);
    const stored = await shownOf(database.queries, TABLE);
    expect((await look(killAt)).signal).toBe('SIGKILL');
    const names = await folder.names();
    if (await isThere()) expect(await shownOf(database.queries, TABLE)).toEqual(stored);
    else expect(unzipped(folder.path, OLD)).toEqual(stored);
    if (names.includes(archiveName(OLD))) expect(unzipped(folder.path, OLD)).toEqual(stored);
    if (names.includes(archiveName(OLD)) && (await isThere())) withBoth++;
    // Those before and between are the same for what follows
    if (names.some((name) => name.endsWith('.archiving')) || withBoth > 0) {
      expect((await look(0)).status).toBe(0);
      expect(await isThere()).toBe(false);
      expect(await folder.names()).toEqual([archiveName(OLD)]);
      expect(unzipped(folder.path, OLD)).toEqual(stored);
    }
    await folder.remove();
  }
  expect(withBoth).toBeGreaterThan(2);
}, 600_000);

test('200,000 positions are archived in a heap of 40 MB', async () => {
  const rows = 200_000;
  await fillDay(database.queries, OLD, rows);
  const { status, output } = await look(0, '--max-old-space-size=40');
  expect({ status, output }).toMatchObject({ status: 0, output: expect.stringContaining('was dropped') });
  expect(await isThere()).toBe(false);
  expect(unzipped(folder.path, OLD)).toHaveLength(rows);
}, 120_000);
