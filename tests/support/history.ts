import type { Queries } from '../../shared/database/index.ts';
import { type PositionRow, positionColumns, positionOf } from '../../shared/database/position-row.ts';
import { connect } from '../../shared/database/postgres.ts';
import type { LoggedPosition } from '../../shared/position-log/index.ts';
import { createLogger } from '../../shared/telemetry/log.ts';
import { createMigratedDatabase } from './database.ts';

export const silent = createLogger('silent');

export const DAY_MS = 86_400_000;

/** Noon of today, in UTC: what a test puts around it stays within the day. */
export const NOON = Math.floor(Date.now() / DAY_MS) * DAY_MS + DAY_MS / 2;

/** A position as the writer gets it: Vienna at noon, with whatever a test wants otherwise. */
export const logged = (fields: Partial<LoggedPosition> = {}): LoggedPosition => ({
  driverId: 'driver-1',
  recordedAt: NOON,
  receivedAt: NOON + 40,
  latitude: 48.2082,
  longitude: 16.3738,
  bearing: null,
  speed: null,
  accuracy: null,
  altitude: null,
  battery: null,
  tripId: null,
  timeAssigned: false,
  ...fields,
});

export type MigratedDatabase = { url: string; queries: Queries; drop(): Promise<void> };

/** A database with the tables, and no partitions yet. */
export async function migratedDatabase(poolSize = 4): Promise<MigratedDatabase> {
  const database = await createMigratedDatabase();
  const pool = connect(database.url, { poolSize });
  return {
    url: database.url,
    queries: pool.queries,
    async drop() {
      await pool.close();
      await database.drop();
    },
  };
}

/** All that is in the history of a driver, oldest first. */
export async function historyOf(queries: Queries, driverId = 'driver-1'): Promise<LoggedPosition[]> {
  const rows = await queries.any<PositionRow>(
    `select ${positionColumns} from location_history where driver_id = $(driverId) order by recorded_at`,
    { driverId },
  );
  return rows.map(positionOf);
}

/** A driver's current position. */
export async function currentOf(queries: Queries, driverId = 'driver-1'): Promise<LoggedPosition | null> {
  const row = await queries.oneOrNone<PositionRow>(
    `select ${positionColumns} from driver_locations where driver_id = $(driverId) and location is not null`,
    { driverId },
  );
  return row === null ? null : positionOf(row);
}

export const timesOf = (positions: readonly LoggedPosition[]) =>
  positions.map(({ recordedAt }) => recordedAt);
