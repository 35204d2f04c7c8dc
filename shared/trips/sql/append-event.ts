import type { Runner } from '../../database/index.ts';
import type { TripStatus } from '../status.ts';
import { statusMessage, type Trip } from '../trip.ts';

export type EventSource = {
  actor: { sub: string; role: string };
  reason: string | null;
  /** Epoch ms by the device's clock. */
  reportedAt: number | null;
};

/** The event and the message that tells of it, in one statement. */
export async function appendEvent(
  runner: Runner,
  trip: Trip,
  previous: TripStatus | null,
  source: EventSource,
): Promise<void> {
  await runner.none(
    `with event as (
       insert into trip_events (trip_id, version, status, previous, at, reported_at, actor_sub, actor_role, reason)
       values ($(id), $(version), $(status), $(previous), $(updatedAt),
               to_timestamp($(reportedAt)::float8 / 1000.0), $(actor.sub), $(actor.role), $(reason))
     )
     insert into trip_outbox (trip_id, version, rider_id, driver_id, message)
     values ($(id), $(version), $(riderId), $(driverId), $(message:json))`,
    { ...trip, ...source, previous, message: statusMessage(trip, previous) },
  );
}
