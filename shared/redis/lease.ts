import { randomUUID } from 'node:crypto';
import type { RedisConnection } from './connection.ts';

const RENEW_SCRIPT = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`;
const RELEASE_SCRIPT = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
`;

/** So that one process dies and another one goes on within seconds, and none loses it by a pause of the garbage collector. */
const LEASE_MS = 3000;
const RENEW_EVERY_MS = 1000;

type Scripted = RedisConnection & {
  fleetcastRenew(key: string, holder: string, ms: number): Promise<0 | 1>;
  fleetcastRelease(key: string, holder: string): Promise<1>;
};

/** One process at a time holds it; when that one is gone, another one does. */
export class Lease {
  private readonly holder = randomUUID();
  private readonly redis: Scripted;
  private readonly key: string;
  private readonly timer: NodeJS.Timeout;
  private heldUntil = 0;
  private asking: Promise<void>;

  constructor(redis: RedisConnection, key: string) {
    redis.defineCommand('fleetcastRenew', { numberOfKeys: 1, lua: RENEW_SCRIPT });
    redis.defineCommand('fleetcastRelease', { numberOfKeys: 1, lua: RELEASE_SCRIPT });
    this.redis = redis as Scripted;
    this.key = key;
    this.asking = this.renew();
    this.timer = setInterval(() => {
      this.asking = this.renew();
    }, RENEW_EVERY_MS);
  }

  /** By this process's own clock: also one that was frozen in between knows that it may have lost it. */
  get isHeld(): boolean {
    return performance.now() < this.heldUntil;
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.asking;
    this.heldUntil = 0;
    // What is not released expires
    await this.redis.fleetcastRelease(this.key, this.holder).catch(() => undefined);
  }

  private async renew(): Promise<void> {
    const askedAt = performance.now();
    try {
      const isMine = await this.redis.fleetcastRenew(this.key, this.holder, LEASE_MS);
      this.heldUntil = isMine === 1 ? askedAt + LEASE_MS : 0;
    } catch {
      // Redis is away: it is held until it expires
    }
  }
}
