import type { Runner } from '../../database/index.ts';
import type { TripStatus } from '../status.ts';
import type { TripStatusMessage } from '../trip.ts';

type Row = {
  version: number;
  status: TripStatus;
  previous: TripStatus | null;
  at: Date;
  message: TripStatusMessage | null;
};

/** The status messages of a trip after a version, in order; those that the outbox has forgotten are made of the event log. */
export async function statusMessagesSince(
  runner: Runner,
  tripId: string,
  version: number,
  driverId: string | null,
): Promise<TripStatusMessage[]> {
  const rows = await runner.any<Row>(
    `select event.version, event.status, event.previous, event.at, outbox.message
       from trip_events event
       left join trip_outbox outbox on outbox.trip_id = event.trip_id and outbox.version = event.version
      where event.trip_id = $(tripId) and event.version > $(version)
      order by event.version`,
    { tripId, version },
  );
  return rows.map(
    (row) =>
      row.message ?? {
        tripId,
        status: row.status,
        previous: row.previous,
        version: row.version,
        at: row.at.toISOString(),
        driverId,
      },
  );
}
