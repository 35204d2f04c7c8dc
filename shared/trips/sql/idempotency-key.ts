import type { Runner } from '../../database/index.ts';

/** Who sent which key, with what. */
export type IdempotentRequest = { sub: string; key: string; fingerprint: string };

/** SPEC: kept 24 h. */
const KEPT = "interval '24 hours'";

/**
 * Claims a key for this transaction. Another request with the same key waits here until the first has ended.
 * @returns undefined: it is ours now; else what the first request with it was, and made
 */
export async function claimKey(
  runner: Runner,
  request: IdempotentRequest,
): Promise<{ fingerprint: string; tripId: string } | undefined> {
  await runner.none(`delete from idempotency_keys where created_at < now() - ${KEPT}`);
  const claimed = await runner.oneOrNone(
    `insert into idempotency_keys (sub, key, fingerprint)
     values ($(sub), $(key), $(fingerprint))
         on conflict (sub, key) do nothing
     returning 1`,
    request,
  );
  if (claimed !== null) return undefined;
  const first = await runner.one<{ fingerprint: string; trip_id: string }>(
    'select fingerprint, trip_id from idempotency_keys where sub = $(sub) and key = $(key)',
    request,
  );
  return { fingerprint: first.fingerprint, tripId: first.trip_id };
}

/** What the request made. */
export async function rememberTrip(
  runner: Runner,
  { sub, key }: IdempotentRequest,
  tripId: string,
): Promise<void> {
  await runner.none('update idempotency_keys set trip_id = $(tripId) where sub = $(sub) and key = $(key)', {
    sub,
    key,
    tripId,
  });
}
