import { createHash } from 'node:crypto';

/**
 * What is kept of drivers stands on so many shards, each with a hash tag of its own: Redis Cluster spreads them over its nodes, and
 * one script sees to many drivers of a shard. More would be more calls for each sweep, fewer less to spread.
 */
export const DRIVER_SHARDS = 16;

/** Of a driver (a user): 0 to DRIVER_SHARDS - 1. The same in every process of every version: it names keys. */
export function driverShard(driverId: string): number {
  return (createHash('md5').update(driverId).digest()[0] ?? 0) % DRIVER_SHARDS;
}

/** The hash tag of a shard. */
export const shardTag = (shard: number): string => `s${String(shard).padStart(2, '0')}`;

/** Things of drivers by their shard. */
export function byShard<T>(things: Iterable<T>, driverOf: (thing: T) => string): Map<number, T[]> {
  const shards = new Map<number, T[]>();
  for (const thing of things) {
    const shard = driverShard(driverOf(thing));
    const others = shards.get(shard);
    if (others === undefined) shards.set(shard, [thing]);
    else others.push(thing);
  }
  return shards;
}

/** So that no script holds Redis, nor its making this process, for longer than a millisecond or so (10 µs each). */
const MAX_IN_ONE_CALL = 100;

export function* inCalls<T>(things: readonly T[]): Generator<T[]> {
  for (let from = 0; from < things.length; from += MAX_IN_ONE_CALL)
    yield things.slice(from, from + MAX_IN_ONE_CALL);
}
