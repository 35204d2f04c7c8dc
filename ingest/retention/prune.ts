import type { Queries } from '../../shared/database/index.ts';
import { DAY_MS } from '../../shared/schemas/time.ts';
import { pruneConnections } from '../sql/prune-connections.ts';
import { pruneIdempotencyKeys } from '../sql/prune-idempotency-keys.ts';
import { pruneRevocations } from '../sql/prune-revocations.ts';

/** Rows of one statement: nobody waits long for it. */
const STEP = 1000;

async function all(step: () => Promise<number>, signal: AbortSignal): Promise<number> {
  let total = 0;
  for (let rows = STEP; rows === STEP && !signal.aborted; total += rows) rows = await step();
  return total;
}

/** Forgets what is not to be kept for ever beside positions: old connections, and what has expired. `now`: epoch ms. */
export async function prune(
  queries: Queries,
  retentionDays: number,
  now: number,
  signal: AbortSignal,
): Promise<{ connections: number; idempotencyKeys: number; revocations: number }> {
  const before = now - retentionDays * DAY_MS;
  return {
    connections: await all(() => pruneConnections(queries, before, STEP), signal),
    idempotencyKeys: await all(() => pruneIdempotencyKeys(queries, STEP), signal),
    revocations: await all(() => pruneRevocations(queries, STEP), signal),
  };
}
