import type { Transaction } from '../../shared/database/index.ts';
import type { TripStatusMessage } from '../../shared/trips/trip.ts';

export type OutboxRow = {
  id: string;
  rider_id: string;
  driver_id: string | null;
  message: TripStatusMessage;
};

/** Any constant that no other advisory lock of ours has. */
export const RELAY_LOCK = 7_226_201;

/** Only one relay at a time may publish, or a later message could overtake an earlier one. Held until the transaction ends. */
export async function tryRelayLock(transaction: Transaction): Promise<boolean> {
  const { locked } = await transaction.one<{ locked: boolean }>(
    'select pg_try_advisory_xact_lock($(lock)) as locked',
    { lock: RELAY_LOCK },
  );
  return locked;
}

/** What committed and waits to be published, in order: that of the number, `order by id` would be that of the text in the output. */
export function takeOutbox(transaction: Transaction, limit: number): Promise<OutboxRow[]> {
  return transaction.any<OutboxRow>(
    `select id::text, rider_id, driver_id, message
       from trip_outbox
      where published_at is null
      order by trip_outbox.id
      limit $(limit)`,
    { limit },
  );
}

export async function markPublished(transaction: Transaction, ids: readonly string[]): Promise<void> {
  await transaction.none('update trip_outbox set published_at = now() where id = any($(ids)::bigint[])', {
    ids,
  });
}
