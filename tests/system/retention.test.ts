import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createPositionWriter } from '../../ingest/positions.ts';
import { partitionName } from '../../ingest/sql/create-partition.ts';
import { listPartitions } from '../../ingest/sql/list-partitions.ts';
import { archiveFolder } from '../support/archives.ts';
import { logged, type MigratedDatabase, migratedDatabase } from '../support/history.ts';
import { dayAgo, fillDay, shownOf, unzipped } from '../support/old-days.ts';
import { type Platform, request, startPlatform, token } from '../support/platform.ts';
import { newPrefix } from '../support/redis.ts';

const OLD = dayAgo(10);
let database: MigratedDatabase;
let folder: Awaited<ReturnType<typeof archiveFolder>>;
let archiveDir: string;
let platform: Platform | undefined;
let service: string;

beforeAll(async () => {
  service = await token('SERVICE', 'reports');
});
beforeEach(async () => {
  database = await migratedDatabase(2);
  folder = await archiveFolder();
  archiveDir = join(folder.path, 'made', 'when missing');
});
afterEach(async () => {
  await platform?.stop();
  platform = undefined;
  await database.drop();
  await folder.remove();
});

async function dropped(env: Record<string, string>): Promise<string[]> {
  await fillDay(database.queries, OLD, 3000);
  const stored = await shownOf(database.queries, partitionName(OLD));
  platform = await startPlatform({ DATABASE_URL: database.url, ARCHIVE_DIR: archiveDir, ...env });
  while ((await listPartitions(database.queries)).has(partitionName(OLD)))
    await new Promise((resolve) => setTimeout(resolve, 50));
  return stored;
}

const get = (path: string) => request(platform as Platform, service, 'GET', path);
const day = (at: number) => encodeURIComponent(new Date(at).toISOString());

test('a start takes away what is past the retention, and REST answers as if it had never been', async () => {
  const now = Date.now();
  await createPositionWriter(database.queries)([logged({ driverId: 'driver-1', recordedAt: now })]);
  const { id } = await database.queries.one<{ id: string }>(
    `insert into trip_tracking (rider_id, driver_id, status, pickup, dropoff, started_at, completed_at, distance_meters)
     values ('rider-1', 'driver-1', 'COMPLETED', 'point(1 1)', 'point(1 1)', to_timestamp($(OLD) / 1000.0),
             to_timestamp($(OLD) / 1000.0) + interval '1 hour', 1234)
     returning id`,
    { OLD },
  );
  const stored = await dropped({});
  expect(unzipped(archiveDir, OLD)).toEqual(stored);

  const history = '/v1/drivers/driver-1/history';
  expect((await get(`${history}?from=${day(OLD)}&to=${day(OLD + 3_600_000)}`)).body).toMatchObject({
    items: [],
  });
  const spanning = await get(`${history}?from=${day(OLD)}`);
  expect(spanning.body).toMatchObject({ items: [{ recordedAt: new Date(now).toISOString() }] });
  expect((await get(`${history}?format=csv&from=${day(OLD)}`)).status).toBe(200);
  expect(await get(`/v1/trips/${id}/track`)).toMatchObject({ status: 200, body: { items: [] } });
  expect((await get(`/v1/trips/${id}`)).body).toMatchObject({ distanceMeters: 1234 });

  const { urls, output } = platform as Platform;
  const metrics = () => fetch(`${urls.metrics}/metrics`).then((response) => response.text());
  while (!/^fleetcast_partitions 10$/m.test(await metrics()))
    await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await metrics()).toMatch(/^fleetcast_retention_dropped_total 1$/m);
  expect(await metrics()).toMatch(/^fleetcast_retention_failures_total 0$/m);
  expect(output.join('\n')).toContain('a day is over and was dropped');
});

test('in a cluster ingest does', async () => {
  const stored = await dropped({
    ROLE: 'ingest',
    REDIS_URL: process.env.TEST_REDIS_URL ?? '',
    REDIS_PREFIX: newPrefix(),
  });
  expect(unzipped(archiveDir, OLD)).toEqual(stored);
});
