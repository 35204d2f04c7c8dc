import { spawnSync } from 'node:child_process';
import type { RetentionOptions } from '../../ingest/retention/retire-days.ts';
import { createPartition, partitionName } from '../../ingest/sql/create-partition.ts';
import { archiveName } from '../../shared/archive/files.ts';
import type { Queries } from '../../shared/database/index.ts';
import { type PositionRow, positionColumns, positionOf } from '../../shared/database/position-row.ts';
import { positionMessage } from '../../shared/messages/positions.ts';
import { createLogger } from '../../shared/telemetry/log.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';
import { DAY_MS } from './history.ts';

/** When the day began that was so many days ago, UTC (epoch ms). */
export const dayAgo = (days: number) => (Math.floor(Date.now() / DAY_MS) - days) * DAY_MS;

/** YYYYMMDD */
export const nameOfDay = (day: number) => partitionName(day).slice(-8);

/** A day full of positions of 10 drivers, some with all that a position may have and some with nothing but its place. */
export async function fillDay(queries: Queries, day: number, rows: number): Promise<void> {
  await createPartition(queries, day);
  await queries.none(
    `insert into location_history (driver_id, recorded_at, received_at, location, bearing, speed, accuracy, altitude,
                                   battery, trip_id)
     select 'driver-' || n % 10, at, at + interval '123 ms',
            st_setsrid(st_makepoint(random() * 360 - 180, random() * 180 - 90), 4326)::geography,
            case when n % 3 = 0 then random() * 359 end, case when n % 4 > 0 then random() * 40 end,
            case when n % 5 > 0 then n end, case when n % 7 > 0 then 1e-7 * n - 400 end, case when n % 2 = 0 then 100 end,
            case when n % 6 = 0 then gen_random_uuid() end
       from (select n, to_timestamp($(day) / 1000.0) + n * interval '1 ms' as at
               from generate_series(0, $(rows) - 1) as n) as numbered`,
    { day, rows },
  );
}

/** What a table has as REST shows it, as lines of JSON, in no order. */
export async function shownOf(queries: Queries, table: string): Promise<string[]> {
  const rows = await queries.any<PositionRow>(`select ${positionColumns} from $(table:name)`, { table });
  return rows.map((row) => comparable(positionMessage(positionOf(row)))).sort();
}

const comparable = (position: object) =>
  JSON.stringify(Object.fromEntries(Object.entries(position).sort(([a], [b]) => (a < b ? -1 : 1))));

/** What an archive has, by another program than the one that wrote it. Fails when the file is not whole. */
export function unzipped(folder: string, day: number): string[] {
  const { status, stdout, stderr } = spawnSync('gzip', ['-dc', `${folder}/${archiveName(day)}`], {
    maxBuffer: 1_000_000_000,
  });
  if (status !== 0) throw new Error(`gzip: ${stderr}`);
  return stdout
    .toString()
    .split('\n')
    .slice(0, -1)
    .map((line) => comparable(JSON.parse(line) as object))
    .sort();
}

/** The options of a look at old days, with what it tells. */
export function watched(options: Pick<RetentionOptions, 'queries' | 'locks' | 'archiveDir'>) {
  const metrics = createMetrics();
  const said: string[] = [];
  const errors: unknown[] = [];
  const log = Object.assign(Object.create(createLogger('silent')), {
    info: (_: object, text: string) => said.push(text),
    warn: ({ err }: { err: unknown }) => errors.push(err),
    error: ({ err }: { err: unknown }) => errors.push(err),
  });
  const metric = async (name: string) =>
    (await metrics.registry.getSingleMetric(name)?.get())?.values[0]?.value ?? 0;
  return {
    options: { ...options, historyRetentionDays: 7, metrics, log } satisfies RetentionOptions,
    said,
    errors,
    dropped: () => metric('fleetcast_retention_dropped_total'),
    failures: () => metric('fleetcast_retention_failures_total'),
    partitions: () => metric('fleetcast_partitions'),
  };
}
