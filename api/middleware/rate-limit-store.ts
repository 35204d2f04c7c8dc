import { type ClientRateLimitInfo, MemoryStore, type Options, type Store } from 'express-rate-limit';
import { RedisStore } from 'rate-limit-redis';
import type { Logger } from '../../shared/telemetry/log.ts';

/** Where a whole cluster's requests are counted together. */
export type SharedCounts = { prefix: string; send(...command: string[]): Promise<unknown> };

/** Counts over the whole cluster; while Redis is away, those of this process alone: nobody is refused for that, or let through unseen. */
export class RateLimitStore implements Store {
  private readonly shared: RedisStore;
  private readonly own = new MemoryStore();
  private readonly log: Logger;

  constructor({ prefix, send }: SharedCounts, log: Logger) {
    this.log = log;
    this.shared = new RedisStore({
      prefix,
      sendCommand: (...command) => send(...command) as Promise<number>,
    });
  }

  init(options: Options): void {
    this.shared.init(options);
    this.own.init(options);
  }

  async increment(key: string): Promise<ClientRateLimitInfo> {
    try {
      return await this.shared.increment(key);
    } catch (error) {
      this.log.debug({ err: error }, 'requests are counted by this process alone');
      return this.own.increment(key);
    }
  }

  async decrement(key: string): Promise<void> {
    await this.shared.decrement(key).catch(() => this.own.decrement(key));
  }

  async resetKey(key: string): Promise<void> {
    await this.own.resetKey(key);
    await this.shared.resetKey(key);
  }

  shutdown(): void {
    this.own.shutdown();
  }
}
