import type { Queries } from '../../shared/database/index.ts';
import { positionOf } from '../../shared/database/position-row.ts';
import type { LoggedPosition } from '../../shared/position-log/index.ts';
import { type HistoryPage, historyPage } from './history-page.ts';

/** Short statements: the embedded database runs one at a time, and nobody else is to wait for an export. */
const PAGE = 1000;

/** All positions of a query, read page by page as they are taken. Whoever stops taking them ends the reading. */
export async function* readTrack(
  queries: Queries,
  query: Omit<HistoryPage, 'limit'>,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<LoggedPosition> {
  let { after } = query;
  let left = limit;
  while (left > 0) {
    const rows = await historyPage(queries, { ...query, after, limit: Math.min(PAGE, left) });
    for (const row of rows) yield positionOf(row);
    const last = rows.at(-1);
    if (last === undefined || rows.length < Math.min(PAGE, left)) return;
    after = Math.round(last.recorded_ms);
    left -= rows.length;
  }
}
