import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Client } from 'pg';
import { ensurePartitions } from '../../ingest/partitions.ts';
import { createPositionWriter } from '../../ingest/positions.ts';
import { openEmbeddedDatabase } from '../../shared/database/embedded.ts';
import type { Database } from '../../shared/database/index.ts';
import { migrate } from '../../shared/database/migrate.ts';
import type { WritePositions } from '../../shared/position-log/group-commit.ts';
import { provideDatabase } from '../support/embedded-database.ts';
import { currentOf, historyOf, logged, NOON, silent, timesOf } from '../support/history.ts';
import { temporaryDataDir } from '../support/platform.ts';

let dataDir: Awaited<ReturnType<typeof temporaryDataDir>>;
let directory: string;
let database: Database;
let write: WritePositions;
const lost: Error[] = [];

async function open(): Promise<void> {
  database = await openEmbeddedDatabase(directory, (error) => lost.push(error));
  write = createPositionWriter(database.queries);
}

beforeAll(async () => {
  dataDir = await temporaryDataDir();
  // Longer than the name of a socket may be
  directory = join(dataDir.path, 'a-folder-with-a-long-name'.repeat(4));
  await provideDatabase(directory);
  await open();
  await ensurePartitions(database.queries, 1, NOON);
}, 180_000);
afterAll(async () => {
  await database.close();
  await dataDir.remove();
  await rm(socketDir(), { recursive: true });
  expect(lost).toEqual([]);
});
afterEach(() => {
  jest.useRealTimers();
});

/** Beside the folder, whose name is too long. */
function socketDir(): string {
  const [, host = ''] = /host=([^&]+)/.exec(database.connectionString) ?? [];
  return decodeURIComponent(host);
}

let driverId: string;
let drivers = 0;
beforeEach(() => {
  driverId = `driver-${++drivers}`;
});

const at = (offset: number, fields = {}) => logged({ driverId, recordedAt: NOON + offset, ...fields });

describe('the embedded database', () => {
  test('gives the verdicts that a server gives', async () => {
    await write([at(0)]);
    const batch = [
      at(1),
      at(0),
      at(1),
      at(2, { driverId: 'driver\u0000' }),
      at(1, { timeAssigned: true, latitude: 1 }),
      at(40 * 86_400_000, { latitude: 2 }),
    ];
    expect(await write(batch)).toEqual([
      'accepted',
      'duplicate',
      'duplicate',
      'INVALID_PAYLOAD',
      'accepted',
      'accepted',
    ]);
    expect(timesOf(await historyOf(database.queries, driverId)).map((time) => time - NOON)).toEqual([
      0,
      1,
      2,
      40 * 86_400_000,
    ]);
    expect(await currentOf(database.queries, driverId)).toMatchObject({ latitude: 2 });
  });

  test('gives every statement its own answer, also after one that failed', async () => {
    const { queries } = database;
    for (let round = 0; round < 3; round++) {
      const answers = await Promise.all([
        write([at(round * 2)]),
        write([at(round * 2, { driverId: 'driver\u0000' })]),
        queries.one('select $(round) + 10 as answer', { round }),
        write([at(round * 2 + 1), at(round * 2)]),
        queries.one("select 'no number'::int as answer").catch(({ code }: { code: string }) => code),
        queries.any('select $(round) + 20 as answer', { round }),
      ]);
      expect(answers).toEqual([
        ['accepted'],
        ['INVALID_PAYLOAD'],
        { answer: round + 10 },
        ['accepted', 'duplicate'],
        '22P02',
        [{ answer: round + 20 }],
      ]);
    }
  });

  test('takes what comes after a quiet minute', async () => {
    jest.useFakeTimers({
      doNotFake: ['nextTick', 'setImmediate', 'clearImmediate', 'queueMicrotask', 'Date'],
    });
    expect(await write([at(0)])).toEqual(['accepted']);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(await write([at(1)])).toEqual(['accepted']);
  });

  test('takes what comes after its connection was lost', async () => {
    await write([at(0)]);
    const connection = await database.queries.connect();
    const { stream } = (
      connection.client as unknown as Client & { connection: { stream: { destroy(): void } } }
    ).connection;
    const ended = new Promise((resolve) => connection.client.once('end', resolve));
    stream.destroy();
    await ended;
    connection.done();
    expect(await write([at(1)])).toEqual(['accepted']);
    expect(await historyOf(database.queries, driverId)).toHaveLength(2);
  });

  test('takes what comes while somebody else has a look, and after they left in the middle of a transaction', async () => {
    const client = new Client({ connectionString: database.connectionString });
    client.on('error', () => undefined);
    await client.connect();
    await client.query('begin');
    const { rows } = await client.query('select count(*)::int from location_history');
    expect(rows).toHaveLength(1);
    const written = write([at(0)]);
    (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
    expect(await written).toEqual(['accepted']);
    expect(await historyOf(database.queries, driverId)).toHaveLength(1);
  });

  test('many writes at once are all taken', async () => {
    const batches = Array.from({ length: 40 }, (_, batch) =>
      Array.from({ length: 25 }, (_, index) => at(batch * 25 + index)),
    );
    await Promise.all(batches.map((batch) => write(batch)));
    expect(await historyOf(database.queries, driverId)).toHaveLength(1000);
  });

  test('has its folder and its socket for its owner alone', async () => {
    const modeOf = async (path: string) => (await stat(path)).mode & 0o777;
    expect(await modeOf(directory)).toBe(0o700);
    expect(await modeOf(socketDir())).toBe(0o700);
    expect(await readdir(socketDir())).toContain('.s.PGSQL.5432');
  });

  test('refuses a second process, under whatever name it knows the folder', async () => {
    await mkdir(join(dataDir.path, 'beside'));
    for (const path of [
      directory,
      `${directory}/`,
      join(dataDir.path, 'beside', '..', directory.split('/').at(-1) ?? ''),
    ])
      await expect(openEmbeddedDatabase(path, () => undefined)).rejects.toThrow(
        `DATA_DIR ${directory} is in use by another running process`,
      );
    expect(await write([at(0)])).toEqual(['accepted']);
  });

  test('has everything again after it was closed and opened', async () => {
    await write([at(0), at(1)]);
    await database.close();
    await open();
    expect(await migrate(database.connectionString, silent)).toEqual([]);
    expect(timesOf(await historyOf(database.queries, driverId))).toEqual([NOON, NOON + 1]);
    expect(await write([at(1), at(2)])).toEqual(['duplicate', 'accepted']);
  });
});
