import { createDeadLetters } from '../../ingest/log/dead-letters.ts';
import { LogWorker, type LogWorkerOptions } from '../../ingest/log/log-worker.ts';
import type { PositionLog, Submission } from '../../shared/position-log/index.ts';
import { Shards } from '../../shared/position-log/redis/shards.ts';
import { createRedisPositionLog, type RedisLogOptions } from '../../shared/position-log/redis.ts';
import type { RedisConnections } from '../../shared/redis/connections.ts';
import { silent } from './history.ts';
import { newPrefix, testRedis } from './redis.ts';

export const SHARDS = 3;

/** Processes that share a log: some that append to it, some that take out of it. */
export class LogCluster {
  private readonly prefix = newPrefix();
  readonly redis: RedisConnections = testRedis(this.prefix);
  readonly shards = new Shards(this.redis, SHARDS);
  readonly commands = this.redis.connect('test', { enableOfflineQueue: true });
  private readonly logs: PositionLog[] = [];
  private readonly workers: LogWorker[] = [];
  private readonly others: RedisConnections[] = [];

  /** `url`: another way to the same server. */
  async log(options: Partial<RedisLogOptions> = {}, url?: string): Promise<PositionLog> {
    const redis = this.another(url);
    const log = createRedisPositionLog({
      redis,
      shards: SHARDS,
      maxQueuedPositions: 100_000,
      historyRetentionDays: 7,
      locationMinIntervalMs: 0,
      backlogMaxPerMinute: 1_000_000,
      stored: async () => new Set(),
      log: silent,
      ...options,
    });
    this.logs.push(log);
    await redis.ready(10_000);
    return log;
  }

  worker(write: LogWorkerOptions['write'], options: Partial<LogWorkerOptions> = {}): LogWorker {
    const worker = new LogWorker({
      redis: this.another(),
      shards: this.shards,
      write,
      deadLetters: createDeadLetters(this.commands, this.redis.key('dead-letters'), silent),
      claimAfterMs: 500,
      events: { committed: () => undefined, retrying: () => undefined },
      log: silent,
      ...options,
    });
    this.workers.push(worker);
    return worker;
  }

  /** It is gone from one moment to the next, with what it had under way. */
  abandon(worker: LogWorker): void {
    this.workers.splice(this.workers.indexOf(worker), 1);
    this.others[this.others.length - 1]?.close();
    // Without its connections it does nothing any more; this ends its timer
    void worker.stop();
  }

  async deadLetters(): Promise<string[][]> {
    const entries = await this.commands.xrange(this.redis.key('dead-letters'), '-', '+');
    return entries.map(([, fields]) => fields);
  }

  /** Entries in the streams. */
  async entries(): Promise<number> {
    const lengths = await Promise.all(
      this.shards.names.map((shard) => this.commands.xlen(this.shards.log(shard))),
    );
    return lengths.reduce((sum, length) => sum + length, 0);
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.stop()));
    await Promise.all(this.logs.map((log) => log.close(0)));
    for (const redis of [this.redis, ...this.others]) redis.close();
  }

  private another(url?: string): RedisConnections {
    const redis = testRedis(this.prefix, url);
    this.others.push(redis);
    return redis;
  }
}

export const submission = (
  driverId: string,
  kind: 'live' | 'backlog',
  times: readonly (number | null)[],
  receivedAt = Date.now(),
): Submission => ({
  driverId,
  kind,
  receivedAt,
  positions: times.map((recordedAt) => ({
    latitude: 48.2,
    longitude: 16.4,
    bearing: null,
    speed: 12.5,
    accuracy: null,
    altitude: null,
    battery: 80,
    recordedAt,
  })),
});

export const live = (driverId: string, recordedAt: number | null = Date.now()) =>
  submission(driverId, 'live', [recordedAt]);
