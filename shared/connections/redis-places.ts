import type { RedisConnections } from '../redis/connections.ts';
import { DRIVER_SHARDS, driverShard, inCalls, shardTag } from '../redis/driver-shards.ts';
import { Reach } from '../redis/reach.ts';
import { defineScript, type Script } from '../redis/script.ts';
import type { Logger } from '../telemetry/log.ts';
import { REFRESH_PLACES, RELEASE_PLACE, TAKE_PLACE } from './place-scripts.ts';
import type { Placed, PlaceLoss, Places, ReleasePlace } from './places.ts';

export type RedisPlacesOptions = {
  redis: RedisConnections;
  maxPerDriver: number;
  /** ms that a place is kept for a broker that has not been heard of. Default: 25 s, since a crashed one is to free them within 30. */
  leaseMs?: number;
  /** ms between two refreshes of a lease. Default: 8 s, so that two of them may fail. */
  refreshMs?: number;
  log: Logger;
};

type Lease = Placed & { openedAt: number; key: string };

/** Given back while Redis was away; beyond, the rest ends with its leases. */
const MAX_UNRELEASED = 50_000;

/**
 * Places as leases in Redis, which one script takes: atomic over the whole cluster. While Redis is away each broker lets in what it
 * knows itself to be below the limit; once it is back, what was too much in all is told lost.
 */
export class RedisPlaces implements Places {
  /** By shard: what is refreshed together. */
  private readonly leases = Array.from({ length: DRIVER_SHARDS }, () => new Set<Lease>());
  private readonly bySub = new Map<string, Set<Lease>>();
  private unreleased: Lease[] = [];
  private readonly listeners: ((connectionId: string, loss: PlaceLoss) => void)[] = [];
  private nextShard = 0;
  private readonly timer: NodeJS.Timeout;
  private readonly reach: Reach;
  private readonly scripts: { take: Script; release: Script; refresh: Script };
  private readonly leaseMs: number;
  private readonly options: RedisPlacesOptions;

  constructor(options: RedisPlacesOptions) {
    const { redis, refreshMs = 8000, leaseMs = 25_000, log } = options;
    this.options = options;
    this.leaseMs = leaseMs;
    const connection = redis.connect('places');
    this.scripts = {
      take: defineScript(connection, 'takePlace', TAKE_PLACE),
      release: defineScript(connection, 'releasePlace', RELEASE_PLACE),
      refresh: defineScript(connection, 'refreshPlaces', REFRESH_PLACES),
    };
    this.reach = new Reach({ purpose: 'places', reconcile: () => this.reconcile(), log });
    this.timer = setInterval(() => this.refreshNext(), Math.max(1, refreshMs / DRIVER_SHARDS));
    this.timer.unref();
  }

  async take(connection: Placed): Promise<ReleasePlace | undefined> {
    const shard = driverShard(connection.sub);
    const key = this.options.redis.key(`places:${connection.sub}`, shardTag(shard));
    const asked: Lease = { ...connection, openedAt: 0, key };
    const answer = await this.ask(asked);
    // Looked at and kept in one go: many may be asking
    const openedAt = typeof answer === 'string' ? this.takeHere(asked) : answer;
    if (openedAt !== undefined) return this.keep({ ...asked, openedAt }, shard);
    // It may have been taken there, though we were not told
    if (answer === 'no answer') this.releaseLater(asked);
    return undefined;
  }

  onLost(listener: (connectionId: string, loss: PlaceLoss) => void): void {
    this.listeners.push(listener);
  }

  stop(): void {
    clearInterval(this.timer);
    this.reach.stop();
  }

  private async ask(asked: Lease): Promise<number | undefined | 'nobody to ask' | 'no answer'> {
    if (!this.reach.isThere) return 'nobody to ask';
    const { key, clientId, connectionId } = asked;
    try {
      const answer = await this.scripts.take(
        [key],
        [clientId, connectionId, this.leaseMs, this.options.maxPerDriver],
      );
      return answer === 0 ? undefined : Number(answer);
    } catch (error) {
      this.reach.lost(error);
      return 'no answer';
    }
  }

  private takeHere({ sub, clientId }: Placed): number | undefined {
    const clients = new Set([...(this.bySub.get(sub) ?? [])].map((lease) => lease.clientId));
    return clients.has(clientId) || clients.size < this.options.maxPerDriver ? Date.now() : undefined;
  }

  private keep(lease: Lease, shard: number): ReleasePlace {
    this.leases[shard]?.add(lease);
    const ofSub = this.bySub.get(lease.sub) ?? new Set();
    ofSub.add(lease);
    this.bySub.set(lease.sub, ofSub);
    return () => {
      if (this.forget(lease)) this.release(lease);
    };
  }

  private forget(lease: Lease): boolean {
    if (!this.leases[driverShard(lease.sub)]?.delete(lease)) return false;
    const ofSub = this.bySub.get(lease.sub);
    ofSub?.delete(lease);
    if (ofSub?.size === 0) this.bySub.delete(lease.sub);
    return true;
  }

  private release(lease: Lease): void {
    if (!this.reach.isThere) return this.releaseLater(lease);
    this.releaseInRedis(lease).catch((error: unknown) => {
      this.releaseLater(lease);
      this.reach.lost(error);
    });
  }

  private releaseInRedis({ key, clientId, connectionId }: Lease): Promise<unknown> {
    return this.scripts.release([key], [clientId, connectionId]);
  }

  private releaseLater(lease: Lease): void {
    if (this.unreleased.length < MAX_UNRELEASED) this.unreleased.push(lease);
  }

  /** One shard at a time: thousands of leases at once would hold the process up. */
  private refreshNext(): void {
    if (!this.reach.isThere) return;
    const shard = this.leases[this.nextShard++ % DRIVER_SHARDS] ?? new Set();
    this.refresh([shard]).catch((error: unknown) => this.reach.lost(error));
  }

  private async refresh(shards: readonly ReadonlySet<Lease>[]): Promise<void> {
    await Promise.all(
      shards.flatMap((leases) => [...inCalls([...leases])].map((some) => this.refreshSome(some))),
    );
  }

  private async refreshSome(leases: readonly Lease[]): Promise<void> {
    const answers = await this.scripts.refresh(
      leases.map(({ key }) => key),
      [
        this.leaseMs,
        this.options.maxPerDriver,
        ...leases.flatMap(({ clientId, connectionId, openedAt }) => [clientId, connectionId, openedAt]),
      ],
    );
    for (const [index, lease] of leases.entries()) {
      const answer = String(answers)[index];
      if (answer === 'H' || !this.forget(lease)) continue;
      for (const listener of this.listeners)
        listener(lease.connectionId, answer === 'T' ? 'TAKEN_OVER' : 'CONNECTION_LIMIT');
    }
  }

  private async reconcile(): Promise<void> {
    const released = this.unreleased;
    this.unreleased = [];
    try {
      for (const some of inCalls(released))
        await Promise.all(some.map((lease) => this.releaseInRedis(lease)));
      await this.refresh(this.leases);
      this.reach.found();
    } catch (error) {
      this.unreleased = [...released, ...this.unreleased].slice(0, MAX_UNRELEASED);
      throw error;
    }
  }
}
