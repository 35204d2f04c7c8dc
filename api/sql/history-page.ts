import type { Queries } from '../../shared/database/index.ts';
import { type PositionRow, positionColumns } from '../../shared/database/position-row.ts';
import { DAY_MS } from '../../shared/schemas/time.ts';

export type HistoryPage = {
  driverId: string;
  /** Epoch ms, both included. */
  from: number;
  to: number;
  /** Epoch ms: only what was recorded after it. */
  after: number | undefined;
  /** Only what belongs to this trip. */
  tripId: string | undefined;
  /** Also what came live for this trip with an earlier time of its own (see measureTrack): within a day before `from`. */
  alsoOfTrip?: string | undefined;
  limit: number;
};

/** Positions of a driver in the order of their recording. Reads the primary key of the partitions in question. */
export function historyPage(queries: Queries, page: HistoryPage): Promise<PositionRow[]> {
  const { alsoOfTrip, from, after, tripId } = page;
  const conditions = [
    'driver_id = $(driverId)',
    'recorded_at >= to_timestamp($(earliest) / 1000.0)',
    'recorded_at <= to_timestamp($(to) / 1000.0)',
    ...(after === undefined ? [] : ['recorded_at > to_timestamp($(after) / 1000.0)']),
    ...(tripId === undefined ? [] : ['trip_id = $(tripId)']),
    ...(alsoOfTrip === undefined
      ? []
      : ['(recorded_at >= to_timestamp($(from) / 1000.0) or trip_id = $(alsoOfTrip))']),
  ];
  return queries.any<PositionRow>(
    `select ${positionColumns}
       from location_history
      where ${conditions.join(' and ')}
      order by recorded_at
      limit $(limit)`,
    { ...page, earliest: alsoOfTrip === undefined ? from : from - DAY_MS },
  );
}
