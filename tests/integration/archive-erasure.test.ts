import { chmod, stat, writeFile } from 'node:fs/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Archives } from '../../shared/archive/erase.ts';
import { createAdvisoryLocks } from '../../shared/database/locks.ts';
import { connect } from '../../shared/database/postgres.ts';
import { archived, archiveFolder } from '../support/archives.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
let connections: ReturnType<typeof connect>[];
let folder: Awaited<ReturnType<typeof archiveFolder>>;
let archives: Archives;

beforeAll(async () => {
  database = await createTestDatabase();
  // Those of two processes
  connections = [1, 2].map(() => connect(database.url, { poolSize: 4 }));
});
afterAll(async () => {
  for (const connection of connections ?? []) await connection.close();
  await database?.drop();
});
beforeEach(async () => {
  folder = await archiveFolder();
  archives = open(0);
});
afterEach(() => folder.remove());

function open(process: number): Archives {
  const connection = connections[process];
  if (connection === undefined) throw new Error('no such process');
  return new Archives(folder.path, createAdvisoryLocks(connection.queries));
}

const EVER = 253_402_300_799_999;
const of = (driverId: string, before = EVER) => ({ kind: 'positions', driverId, before }) as const;

describe('the positions of a driver', () => {
  test('are taken out of every day, and no others', async () => {
    const kept = [
      archived('20260101', 1, { driverId: 'driver-10' }),
      archived('20260101', 2, { driverId: 'x' }),
    ];
    await folder.write('20260101', [archived('20260101', 0), ...kept, archived('20260101', 3)]);
    await folder.write('20260102', [archived('20260102', 0)]);
    expect(await archives.erase(of('driver-1'))).toBe(3);
    expect(await folder.read('20260101')).toEqual(kept);
    // That the day was archived stays known
    expect(await folder.read('20260102')).toEqual([]);
    expect(await folder.names()).toHaveLength(2);
    expect(await archives.erase(of('driver-1'))).toBe(0);
  });

  test('go as far as they are older than an instant, which itself stays', async () => {
    for (const day of ['20260101', '20260102', '20260103'])
      await folder.write(day, [archived(day, 0), archived(day, 1)]);
    const untouched = await folder.bytes('20260103');
    const before = Date.parse(archived('20260102', 1).recordedAt);
    expect(await archives.erase(of('driver-1', before))).toBe(3);
    expect(await folder.read('20260101')).toEqual([]);
    expect(await folder.read('20260102')).toEqual([archived('20260102', 1)]);
    expect(await folder.bytes('20260103')).toEqual(untouched);
  });

  test('go out of a day of many, which is never held whole, and what else it says stays as it was written', async () => {
    const line = (index: number, driver: string) =>
      `{ "driverId": "${driver}", "recordedAt": ${1_767_268_800_000 + index}, "latitude": 48.20, "x": [1e3] }\n`;
    const lines = Array.from({ length: 200_000 }, (_, index) => line(index, `driver-${index % 7}`));
    await writeFile(folder.fileOf('20260101'), gzipSync(lines.join('')));
    const kept = lines.filter((_, index) => index % 7 !== 1);
    expect(await archives.erase(of('driver-1'))).toBe(lines.length - kept.length);
    expect(await contents('20260101')).toBe(kept.join(''));
  });

  test('go out of an archive of several members, and one without a last line end', async () => {
    const json = (driverId: string) => JSON.stringify(archived('20260101', 0, { driverId }));
    const parts = [`${json('a')}\n`, `${json('driver-1')}\n${json('b')}`].map((part) => gzipSync(part));
    await writeFile(folder.fileOf('20260101'), Buffer.concat(parts));
    expect(await archives.erase(of('driver-1'))).toBe(1);
    expect(await contents('20260101')).toBe(`${json('a')}\n${json('b')}`);
  });

  test('leave a file that is readable by those who could read it before', async () => {
    await folder.write('20260101', [archived('20260101', 0)]);
    await chmod(folder.fileOf('20260101'), 0o600);
    await archives.erase(of('driver-1'));
    expect((await stat(folder.fileOf('20260101'))).mode & 0o777).toBe(0o600);
  });
});

const contents = async (day: string) => {
  return gunzipSync(await folder.bytes(day)).toString();
};

test('a trip takes its id out of the positions, which stay', async () => {
  const tripId = '0197f9a0-0000-7000-8000-000000000001';
  const other = archived('20260101', 1, { tripId: '0197f9a0-0000-7000-8000-000000000002' });
  await folder.write('20260101', [archived('20260101', 0, { tripId }), other]);
  expect(await archives.erase({ kind: 'trip', tripId })).toBe(1);
  expect(await folder.read('20260101')).toEqual([archived('20260101', 0), other]);
});

describe('an archive that is', () => {
  const whole = gzipSync(`${JSON.stringify(archived('20260101', 0))}\n`.repeat(500));
  const flipped = Buffer.from(whole);
  flipped[whole.length - 6] = (whole[whole.length - 6] ?? 0) ^ 1;
  test.each([
    ['cut off', whole.subarray(0, whole.length - 9)],
    ['cut off in its header', whole.subarray(0, 5)],
    ['changed on its disk', flipped],
    ['not compressed', Buffer.from(JSON.stringify(archived('20260101', 0)))],
    ['no lines of JSON', gzipSync('{"driverId":"driver-1","recordedAt":"2026')],
    ['of positions without a time', gzipSync('{"driverId":"driver-1"}\n')],
    ['one endless line', gzipSync('x'.repeat(1_000_000))],
  ])('%s is left alone, and told of without what is in it; the others are done', async (_name, bytes) => {
    await writeFile(folder.fileOf('20260101'), bytes);
    await folder.write('20260102', [archived('20260102', 0)]);
    const told = await archives.erase(of('driver-1')).catch((error: Error) => error.message);
    expect(told).toMatch(/location_history_20260101\.ndjson\.gz: /);
    expect(told).not.toMatch(/20260102|driver-1|latitude/);
    expect(await folder.bytes('20260101')).toEqual(bytes);
    expect(await folder.read('20260102')).toEqual([]);
    expect(await folder.names()).toHaveLength(2);
  });
});

test('what an erasure left half done is gone after the next one, and other files are left alone', async () => {
  const mine = ['notes.txt', 'location_history_2026.ndjson.gz', 'location_history_20260101.ndjson'];
  for (const name of [...mine, 'location_history_20260101.ndjson.gz.erasing'])
    await writeFile(`${folder.path}/${name}`, '{"driverId":"driver-1"}');
  expect(await archives.erase(of('driver-1'))).toBe(0);
  expect(await folder.names()).toEqual([...mine].sort());
});

test('without any archive there is nothing to do', async () => {
  await folder.remove();
  expect(await archives.erase(of('driver-1'))).toBe(0);
});

test('of many erasures at once, in two processes, none undoes another', async () => {
  const drivers = Array.from({ length: 12 }, (_, index) => `driver-${index}`);
  const positions = drivers.flatMap((driverId) =>
    [0, 1].map((second) => archived('20260101', second, { driverId })),
  );
  await folder.write('20260101', positions);
  const processes = [open(0), open(1)];
  const gone = drivers.slice(1);
  const changed = await Promise.all(
    gone.map((driverId, index) => (processes[index % 2] as Archives).erase(of(driverId))),
  );
  expect(changed).toEqual(gone.map(() => 2));
  expect(await folder.read('20260101')).toEqual(positions.slice(0, 2));
});
