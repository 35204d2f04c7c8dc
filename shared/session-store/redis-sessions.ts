import type { Emitter } from '../emitter/index.ts';
import type { RedisConnection } from '../redis/connection.ts';
import type { Logger } from '../telemetry/log.ts';
import { AnnouncedSessions } from './announced-sessions.ts';
import type { StoredSubscription } from './index.ts';

/** Sorted set: session → when its client was last connected (epoch ms). */
const SEEN = 'seen';
const RELOAD_PAUSE_MS = 1000;
/** Sessions ended at a time by one process. */
const SWEEP_COUNT = 100;
const REFRESH_COUNT = 1000;
const AT_ANY_TIME = Number.MAX_SAFE_INTEGER;

/** KEYS: seen, the set of sessions, the session. ARGV: client id, epoch ms. Answers its filters; nothing: it was seen since. */
const END = `
local at = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not at or tonumber(at) > tonumber(ARGV[2]) then return false end
local filters = redis.call('HKEYS', KEYS[3])
redis.call('DEL', KEYS[3])
redis.call('SREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
return filters
`;
type End = { sessionEnd(...parts: (string | number)[]): Promise<string[] | null> };

type Subscription = { topic: string; qos: 0 | 1 | 2 };

export type SessionEnds = {
  /** ms that a session is kept for a client that stays away. */
  sessionMaxAgeMs: number;
  /** What else there is of these sessions has to go. */
  forget(clientIds: readonly string[]): Promise<void>;
};

/** The subscriptions of sessions that outlive their connection. */
export class RedisSessions {
  private readonly redis: RedisConnection & End;
  private readonly announced: AnnouncedSessions;
  private readonly ends: SessionEnds;
  private readonly log: Logger;
  /** A clean CONNECT has ended these while Redis was away: when (epoch ms). */
  private readonly toEnd = new Map<string, number>();
  /** One call for each subscription: Aedes stores all of a SUBSCRIBE again for each of them that it grants. */
  private readonly stored = new WeakMap<object, Promise<unknown>>();
  private loading: Promise<void> | undefined;
  private loadAgain = false;
  private stopped = false;

  constructor(redis: RedisConnection, emitter: Emitter, ends: SessionEnds, log: Logger) {
    redis.defineCommand('sessionEnd', { numberOfKeys: 3, lua: END });
    this.redis = redis as RedisConnection & End;
    this.announced = new AnnouncedSessions(redis, emitter);
    this.ends = ends;
    this.log = log;
  }

  get isLoaded(): boolean {
    return this.announced.current !== undefined;
  }

  /** Resolves when all subscriptions are read that were stored when it was called; not before Redis answers. */
  load(): Promise<void> {
    this.loadAgain = true;
    this.loading ??= this.keepLoading();
    return this.loading;
  }

  async add(client: { id: string }, subscriptions: readonly object[]): Promise<void> {
    const { persistence } = this.reading();
    const fresh = subscriptions.filter((subscription) => !this.stored.has(subscription));
    if (fresh.length > 0) {
      const seen = this.redis.zadd(SEEN, Date.now(), client.id);
      const stored = Promise.all([seen, persistence.addSubscriptions({ id: client.id }, fresh)]);
      for (const subscription of fresh) this.stored.set(subscription, stored);
    }
    await Promise.all(subscriptions.map((subscription) => this.stored.get(subscription)));
  }

  async remove(client: { id: string }, filters: string[]): Promise<void> {
    if (filters.length > 0) await this.reading().persistence.removeSubscriptions({ id: client.id }, filters);
  }

  /** Its client is here again. */
  async takeUp({ id }: { id: string }): Promise<Subscription[]> {
    const cleanedAt = this.toEnd.get(id);
    if (cleanedAt !== undefined) await this.end(id, cleanedAt);
    // A server that has no room can still be read; who is connected is noted again soon
    this.redis
      .zadd(SEEN, 'XX', Date.now(), id)
      .catch((error: unknown) => this.log.debug({ err: error, clientId: id }, 'a return could not be noted'));
    return this.reading().persistence.subscriptionsByClient({ id });
  }

  async byTopic(topic: string): Promise<StoredSubscription[]> {
    const subscriptions = await this.reading().persistence.subscriptionsByTopic(topic);
    return subscriptions.filter(({ qos }) => qos > 0);
  }

  /** A clean CONNECT. Resolves at once where there is no such session, and while Redis is away. */
  async clean(id: string): Promise<void> {
    if (this.announced.isKnown(id) === false) return;
    this.toEnd.set(id, Date.now());
    try {
      await this.end(id, AT_ANY_TIME);
    } catch (error) {
      this.log.debug({ err: error, clientId: id }, 'a session will be ended when Redis is back');
    }
  }

  /** Redis is back. A session that has been taken up elsewhere since is another one. */
  async endLate(): Promise<void> {
    for (const [id, at] of this.toEnd) await this.end(id, at);
  }

  /** These are connected. */
  async refresh(clientIds: readonly string[]): Promise<void> {
    const now = Date.now();
    for (let from = 0; from < clientIds.length; from += REFRESH_COUNT) {
      const some = clientIds.slice(from, from + REFRESH_COUNT);
      await this.redis.zadd(SEEN, 'XX', ...some.flatMap((id) => [now, id]));
    }
  }

  /** Ends sessions whose clients have stayed away. */
  async sweep(): Promise<void> {
    const before = Date.now() - this.ends.sessionMaxAgeMs;
    const ids = await this.redis.zrangebyscore(SEEN, '-inf', before, 'LIMIT', 0, SWEEP_COUNT);
    for (const id of ids) await this.end(id, before);
  }

  stop(): void {
    this.stopped = true;
    this.announced.stop();
  }

  /** Unless its client was there after `before` (epoch ms). */
  private async end(id: string, before: number): Promise<void> {
    const filters = await this.redis.sessionEnd(SEEN, 'clients', keyOf(id), id, before);
    if (filters !== null) {
      await this.ends.forget([id]);
      this.announced.announceGone(id, filters);
    }
    this.toEnd.delete(id);
  }

  private reading() {
    const { current } = this.announced;
    if (current === undefined)
      throw new Error('the stored sessions are not known yet: RedisConnection is away');
    return current;
  }

  private async keepLoading(): Promise<void> {
    while (this.loadAgain && !this.stopped) {
      this.loadAgain = false;
      try {
        await this.announced.load();
      } catch (error) {
        this.log.warn({ err: error }, 'the stored sessions could not be read; trying again');
        this.loadAgain = true;
        await new Promise((resolve) => setTimeout(resolve, RELOAD_PAUSE_MS).unref());
      }
    }
    this.loading = undefined;
  }
}

/** As aedes-persistence-redis names it. */
const keyOf = (clientId: string) => `client:${encodeURIComponent(clientId)}`;
