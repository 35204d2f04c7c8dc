import type { Queries } from '../../database/index.ts';
import type { TripStatus } from '../status.ts';
import type { TripStatusMessage } from '../trip.ts';

/** What a broker has to know of a trip that somebody follows. */
export type FollowState = {
  id: string;
  riderId: string;
  driverId: string | null;
  status: TripStatus;
  /** Status messages to start with, in the order of their versions; the last is the latest. */
  messages: TripStatusMessage[];
};

type Row = {
  id: string;
  rider_id: string;
  driver_id: string | null;
  status: TripStatus;
  messages: TripStatusMessage[];
};

/**
 * The trips' states with their latest status message. `since` (epoch ms): also all messages since then, for followers that a
 * restart cut off. Messages older than the outbox keeps are made anew of the trip and its last event.
 */
export async function findFollowStates(
  queries: Queries,
  tripIds: readonly string[],
  since: number | undefined,
): Promise<FollowState[]> {
  const rows = await queries.any<Row>(
    `select t.id, t.rider_id, t.driver_id, t.status,
            coalesce(recent.messages, jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
              'distanceMeters', t.distance_meters, 'durationSeconds', t.duration_seconds)) || jsonb_build_object(
              'tripId', t.id, 'status', t.status, 'previous', event.previous, 'version', t.version,
              'at', to_char(event.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
              'driverId', t.driver_id))) as messages
       from trip_tracking t
       join trip_events event on event.trip_id = t.id and event.version = t.version
       left join lateral (
         select jsonb_agg(message order by version) as messages
           from trip_outbox
          where trip_id = t.id
            and (version = t.version or created_at >= to_timestamp($(since)::float8 / 1000.0))
         having bool_or(version = t.version)
       ) as recent on true
      where t.id = any($(tripIds)::uuid[])`,
    { tripIds, since: since ?? null },
  );
  return rows.map((row) => ({
    id: row.id,
    riderId: row.rider_id,
    driverId: row.driver_id,
    status: row.status,
    messages: row.messages,
  }));
}
