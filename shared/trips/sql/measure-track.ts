import type { Runner } from '../../database/index.ts';
import type { Trip } from '../trip.ts';
import { type TripRow, tripColumns, tripOf } from './trip-row.ts';

/**
 * How far back a position's own time may lie behind its receipt and still count for the trip during which it was
 * received: a replayed or delayed live track.
 */
const LATE_LIVE = "interval '1 day'";

/**
 * Writes the length of the recorded track while IN_PROGRESS, and the straight line between its ends. A position belongs to it
 * when it was recorded in that time, or when it came live (with the trip's id) in that time, whatever its device's
 * clock says. Reads the driver's part of the primary key.
 */
export async function measureTrack(runner: Runner, tripId: string): Promise<Trip> {
  const row = await runner.one<TripRow>(
    `with window_of as (
       select id, driver_id, started_at, coalesce(completed_at, cancelled_at, clock_timestamp()) as ended_at
         from trip_tracking
        where id = $(tripId)
     ), track as (
       select st_makeline(h.location::geometry order by h.recorded_at) as line
         from window_of w
         join location_history h
           on h.driver_id = w.driver_id
          and h.recorded_at between w.started_at - ${LATE_LIVE} and w.ended_at
        where h.recorded_at >= w.started_at
           or (h.trip_id = w.id and h.received_at between w.started_at and w.ended_at)
     )
     update trip_tracking t
        set distance_meters = coalesce(round(st_length(track.line::geography)::numeric, 1)::float8, 0),
            straight_line_meters = coalesce(round(st_distance(st_startpoint(track.line)::geography,
                                                              st_endpoint(track.line)::geography)::numeric, 1)::float8, 0)
       from track
      where t.id = $(tripId)
      returning ${tripColumns}`,
    { tripId },
  );
  return tripOf(row);
}
