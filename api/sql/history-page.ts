import type { Queries } from '../../shared/database/index.ts';
import { type PositionRow, positionColumns } from '../../shared/database/position-row.ts';

export type HistoryPage = {
  driverId: string;
  /** Epoch ms, both included. */
  from: number;
  to: number;
  /** Epoch ms: only what was recorded after it. */
  after: number | undefined;
  tripId: string | undefined;
  limit: number;
};

/** Positions of a driver in the order of their recording. Reads the primary key of the partitions in question. */
export function historyPage(queries: Queries, page: HistoryPage): Promise<PositionRow[]> {
  const conditions = [
    page.after === undefined
      ? 'recorded_at >= to_timestamp($(from) / 1000.0)'
      : 'recorded_at > to_timestamp($(after) / 1000.0)',
    ...(page.tripId === undefined ? [] : ['trip_id = $(tripId)']),
  ];
  return queries.any<PositionRow>(
    `select ${positionColumns}
       from location_history
      where driver_id = $(driverId) and ${conditions.join(' and ')}
        and recorded_at <= to_timestamp($(to) / 1000.0)
      order by recorded_at
      limit $(limit)`,
    page,
  );
}
