import type { Runner } from '../../database/index.ts';
import type { TripStatusMessage } from '../trip.ts';

/** A trip, and up to which of its versions something is known. */
export type KnownVersion = { tripId: string; version: number };

/**
 * The status messages of trips after these versions, those of one trip in order. Those that the outbox has forgotten are made anew of
 * the event log and the trip; who drove then is not known any more, and taken to be who drives now.
 */
export async function statusMessagesSince(
  runner: Runner,
  known: readonly KnownVersion[],
): Promise<TripStatusMessage[]> {
  const rows = await runner.any<{ message: TripStatusMessage }>(
    `select coalesce(outbox.message, jsonb_strip_nulls(jsonb_build_object(
              'distanceMeters', measured.distance_meters, 'durationSeconds', measured.duration_seconds)) || jsonb_build_object(
              'tripId', event.trip_id, 'status', event.status, 'previous', event.previous, 'version', event.version,
              'at', to_char(event.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
              'driverId', trip.driver_id)) as message
       from unnest($(tripIds)::uuid[], $(versions)::integer[]) as known (trip_id, version)
       join trip_events event on event.trip_id = known.trip_id and event.version > known.version
       join trip_tracking trip on trip.id = event.trip_id
       left join trip_tracking measured on measured.id = event.trip_id and event.status = 'COMPLETED'
       left join trip_outbox outbox on outbox.trip_id = event.trip_id and outbox.version = event.version
      order by event.trip_id, event.version`,
    { tripIds: known.map(({ tripId }) => tripId), versions: known.map(({ version }) => version) },
  );
  return rows.map(({ message }) => message);
}
