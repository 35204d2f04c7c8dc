import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisConnection } from '../../redis/connection.ts';
import type { Shards } from './shards.ts';

const LOOK_EVERY_MS = 50;

/**
 * Resolves to true when what the log has of a driver by now is committed, to false when it is not within this time (ms). Rejects when
 * Redis is away.
 */
export async function settled(
  redis: RedisConnection,
  shards: Shards,
  driverId: string,
  withinMs: number,
): Promise<boolean> {
  const log = shards.log(shards.of(driverId));
  const newest = (await redis.xrevrange(log, '+', '-', 'COUNT', 1))[0]?.[0];
  if (newest === undefined) return true;
  for (const end = Date.now() + withinMs; Date.now() < end; await sleep(LOOK_EVERY_MS)) {
    // What every consumer is done with is trimmed
    const left = await redis.xrange(log, '-', newest, 'COUNT', 1);
    if (left.length === 0) return true;
  }
  return false;
}
