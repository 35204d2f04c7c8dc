import type { Session } from '../../shared/database/index.ts';
import { archiveLine, nextRows, type Place } from './archive-line.ts';

export type ArchivePage = { lines: string[]; end: Place };

/** The next lines of a partition's archive. undefined: there are none. */
export async function archivePage(
  session: Session,
  table: string,
  after: Place,
  limit: number,
): Promise<ArchivePage | undefined> {
  const rows = await session.any<{ line: string; driver_id: string; recorded_at: string }>(
    `select ${archiveLine} as line, p.driver_id, p.recorded_at::text as recorded_at ${nextRows}`,
    { table, ...after, limit },
  );
  const last = rows.at(-1);
  if (last === undefined) return undefined;
  return {
    lines: rows.map(({ line }) => line),
    end: { driverId: last.driver_id, recordedAt: last.recorded_at },
  };
}
