import type { Runner } from '../../database/index.ts';

/** Who sent which key, with what. */
export type IdempotentRequest = { sub: string; key: string; fingerprint: string };

/** SPEC: kept 24 h. */
export const KEPT = "interval '24 hours'";

type FirstRequest = { fingerprint: string; tripId: string };

/**
 * Claims a key for this transaction. Another request with the same key waits here until the first has ended.
 * @returns undefined: it is ours now; else what the first request with it was, and made
 */
export async function claimKey(
  runner: Runner,
  request: IdempotentRequest,
): Promise<FirstRequest | undefined> {
  await runner.none(`delete from idempotency_keys where created_at < now() - ${KEPT}`);
  for (;;) {
    if (await insertKey(runner, request)) return undefined;
    const first = await findKey(runner, request);
    if (first !== undefined) return first;
    // Gone in between: it expired, or its trip was erased. Whoever is first now has it
  }
}

/** @returns false: it is taken */
async function insertKey(runner: Runner, request: IdempotentRequest): Promise<boolean> {
  const inserted = await runner.oneOrNone(
    `insert into idempotency_keys (sub, key, fingerprint)
     values ($(sub), $(key), $(fingerprint))
         on conflict (sub, key) do nothing
     returning 1`,
    request,
  );
  return inserted !== null;
}

async function findKey(runner: Runner, request: IdempotentRequest): Promise<FirstRequest | undefined> {
  const row = await runner.oneOrNone<{ fingerprint: string; trip_id: string }>(
    'select fingerprint, trip_id from idempotency_keys where sub = $(sub) and key = $(key)',
    request,
  );
  return row === null ? undefined : { fingerprint: row.fingerprint, tripId: row.trip_id };
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
