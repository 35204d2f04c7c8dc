import type { Runner } from '../../database/index.ts';
import type { TripStatus } from '../status.ts';
import type { TripEvent } from '../trip.ts';

type EventRow = {
  version: number;
  status: TripStatus;
  previous: TripStatus | null;
  at: Date;
  actor_sub: string;
  actor_role: string;
  reason: string | null;
};

export async function listEvents(runner: Runner, tripId: string): Promise<TripEvent[]> {
  const rows = await runner.any<EventRow>(
    `select version, status, previous, at, actor_sub, actor_role, reason
       from trip_events
      where trip_id = $(tripId)
      order by version`,
    { tripId },
  );
  return rows.map((row) => ({
    version: row.version,
    status: row.status,
    previous: row.previous,
    at: row.at.toISOString(),
    actor: { sub: row.actor_sub, role: row.actor_role },
    reason: row.reason,
  }));
}
