import { type RedisConnection, untilReady } from '../redis/connection.ts';
import type { RedisConnections } from '../redis/connections.ts';
import { defineScript, type Script } from '../redis/script.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Liveness } from './index.ts';

export type RedisLivenessOptions = {
  redis: RedisConnections;
  processId: string;
  /** ms without a heartbeat after which a process is gone. Default: 12 s, so that what it held is let go of within 30. */
  goneAfterMs?: number;
  /** ms between heartbeats. Default: 3 s, so that some may fail. */
  heartbeatMs?: number;
  /** ms that the start waits for Redis. */
  readyWithinMs?: number;
  log: Logger;
};

/** What is known of a process that has ended is forgotten after so long. */
const FORGET_AFTER_MS = 86_400_000;

/** KEYS: the heartbeats. ARGV: process, ms to be gone, ms to be forgotten. Gives 1 when it counted as alive until now. */
const BEAT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local last = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
return last and now - last <= tonumber(ARGV[2]) and 1 or 0
`;

/** KEYS: the heartbeats. ARGV: ms to be gone, then processes. Gives for each A (alive), G (gone) or U (unknown). */
const LOOK = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answers = {}
for i = 2, #ARGV do
  local last = redis.call('ZSCORE', KEYS[1], ARGV[i])
  answers[i - 1] = not last and 'U' or (now - last > tonumber(ARGV[1]) and 'G' or 'A')
end
return table.concat(answers)
`;

/** By heartbeats in Redis, on its clock. */
export class RedisLiveness implements Liveness {
  readonly processId: string;
  readonly hasOthers = true;
  private readonly listeners: (() => void)[] = [];
  private readonly scripts: { beat: Script; look: Script };
  private readonly connection: RedisConnection;
  private readonly timer: NodeJS.Timeout;
  private readonly goneAfterMs: number;
  private readonly key: string;
  private readonly log: Logger;
  /** Since when Redis has known of us without a gap: since then it would know of everybody who is alive. Epoch ms. */
  private knownSince = Number.POSITIVE_INFINITY;

  private constructor(options: RedisLivenessOptions) {
    const { redis, processId, goneAfterMs = 12_000, heartbeatMs = 3000, log } = options;
    this.processId = processId;
    this.goneAfterMs = goneAfterMs;
    this.key = redis.key('processes');
    this.log = log;
    this.connection = redis.connect('liveness');
    this.scripts = {
      beat: defineScript(this.connection, 'beat', BEAT),
      look: defineScript(this.connection, 'look', LOOK),
    };
    this.timer = setInterval(() => this.beat(), heartbeatMs);
    this.timer.unref();
  }

  /** Resolves when the others know of this process, or when Redis is away: they will then. */
  static async start(options: RedisLivenessOptions): Promise<RedisLiveness> {
    const liveness = new RedisLiveness(options);
    await untilReady(liveness.connection, options.readyWithinMs ?? 2000).catch(() => undefined);
    await liveness.beat();
    return liveness;
  }

  async gone(processIds: readonly string[]): Promise<string[]> {
    const others = processIds.filter((id) => id !== this.processId);
    if (others.length === 0) return [];
    const answers = String(await this.scripts.look([this.key], [this.goneAfterMs, ...others]));
    // Redis may have been restarted empty: whoever is alive has told so by then
    const knowsAll = Date.now() - this.knownSince > this.goneAfterMs;
    return others.filter((_, index) => answers[index] === 'G' || (answers[index] === 'U' && knowsAll));
  }

  onReturned(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** It is gone from now on, and need not be waited for. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.connection
      .zadd(this.key, 1, this.processId)
      .catch((error: unknown) => this.log.debug({ err: error }, 'Redis was not told of the end'));
  }

  private async beat(): Promise<void> {
    try {
      const answer = await this.scripts.beat([this.key], [this.processId, this.goneAfterMs, FORGET_AFTER_MS]);
      if (answer === 1) return;
      const isFirst = this.knownSince === Number.POSITIVE_INFINITY;
      this.knownSince = Date.now();
      if (!isFirst) for (const listener of this.listeners) listener();
    } catch (error) {
      this.log.debug({ err: error }, 'a heartbeat did not arrive');
    }
  }
}
