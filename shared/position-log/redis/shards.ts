import type { RedisConnections } from '../../redis/connections.ts';

/**
 * Drivers are spread over shards: all that one script touches is in one of them, so that Redis Cluster keeps it on one node. With one
 * server one shard is best, as each costs a script of its own in every turn.
 */
export class Shards {
  readonly names: readonly string[];
  private readonly redis: Pick<RedisConnections, 'key'>;

  constructor(redis: Pick<RedisConnections, 'key'>, count: number) {
    this.redis = redis;
    this.names = Array.from({ length: count }, (_, index) => `s${String(index).padStart(2, '0')}`);
  }

  of(driverId: string): string {
    return this.names[this.names.length === 1 ? 0 : hash(driverId) % this.names.length] ?? '';
  }

  /** Items by the shards of their drivers, in order. */
  group<T>(items: Iterable<T>, driverIdOf: (item: T) => string): Map<string, T[]> {
    const groups = new Map<string, T[]>();
    for (const item of items) {
      const shard = this.of(driverIdOf(item));
      const group = groups.get(shard);
      if (group === undefined) groups.set(shard, [item]);
      else group.push(item);
    }
    return groups;
  }

  /** The stream of positions that no worker has taken out yet. */
  log(shard: string): string {
    return this.redis.key('log', shard);
  }

  /** How many positions were ever appended to the stream, and how many were ever trimmed from it. */
  counts(shard: string): string {
    return this.redis.key('log:counts', shard);
  }

  /** What has to be known of a driver to decide on its next position. */
  driver(driverId: string, shard = this.of(driverId)): string {
    return this.redis.key(`driver:${driverId}`, shard);
  }
}

/** FNV-1a, 32 bits (draft-eastlake-fnv): spreads ids that differ in one digit only. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++)
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
}
