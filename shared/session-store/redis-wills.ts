import { decodeMessages, encodeMessage } from '../emitter/frames.ts';
import type { EmittedMessage } from '../emitter/index.ts';
import type { RedisConnection } from '../redis/connection.ts';
import type { Logger } from '../telemetry/log.ts';

const KEY = 'wills';
const SCAN_COUNT = 200;

export type Will = Omit<EmittedMessage, 'brokerId' | 'brokerCounter' | 'cmd'> & {
  clientId?: string;
  brokerId?: string;
};

/**
 * The last wills of who is connected, for the case that their broker dies: while it lives, it has them itself. So nothing here fails a
 * CONNECT, and what could not be stored is when Redis is back.
 */
export class RedisWills {
  private readonly redis: RedisConnection;
  private readonly log: Logger;
  private readonly own = new Map<string, Will>();
  /** Of the broker of this process; undefined: it has none. */
  brokerId: string | undefined;

  constructor(redis: RedisConnection, log: Logger) {
    this.redis = redis;
    this.log = log;
  }

  async put(clientId: string, will: Will): Promise<void> {
    will.clientId = clientId;
    if (this.brokerId !== undefined) will.brokerId = this.brokerId;
    this.own.set(clientId, will);
    await this.store([[clientId, will]]);
  }

  /** `brokerId`: of another broker, that has died; undefined: ours. */
  async delete(clientId: string, brokerId = this.brokerId): Promise<Will | undefined> {
    const isOwn = brokerId === this.brokerId;
    const will = isOwn ? this.own.get(clientId) : undefined;
    // Most clients have none
    if (isOwn && will === undefined) return undefined;
    if (isOwn) this.own.delete(clientId);
    try {
      await this.redis.hdel(KEY, fieldOf(brokerId, clientId));
    } catch (error) {
      this.log.debug({ err: error, clientId }, 'a last will is left behind');
    }
    return will;
  }

  /** Redis is back; it may have lost them. */
  async storeAgain(): Promise<void> {
    const wills = [...this.own];
    for (let from = 0; from < wills.length; from += SCAN_COUNT)
      await this.store(wills.slice(from, from + SCAN_COUNT));
  }

  /** Those of brokers that are not among these. */
  async *of(living: Readonly<Record<string, unknown>>): AsyncGenerator<Will> {
    let cursor = '0';
    do {
      const [next, found] = await this.redis.hscanBuffer(KEY, cursor, 'COUNT', SCAN_COUNT);
      cursor = String(next);
      for (let at = 0; at + 1 < found.length; at += 2) {
        const field = String(found[at]);
        const brokerId = field.slice(0, field.indexOf(':'));
        const clientId = field.slice(field.indexOf(':') + 1);
        if (brokerId === this.brokerId || living[brokerId] !== undefined) continue;
        for (const { topic, payload, qos, retain } of decodeMessages(found[at + 1] ?? Buffer.alloc(0)))
          yield { topic, payload, qos, retain, clientId, brokerId };
      }
    } while (cursor !== '0');
  }

  private async store(wills: readonly (readonly [clientId: string, will: Will])[]): Promise<void> {
    const fields = wills.flatMap(([clientId, { topic, payload, qos, retain }]) => [
      fieldOf(this.brokerId, clientId),
      encodeMessage({ cmd: 'publish', topic, payload, qos, retain }),
    ]);
    try {
      if (fields.length > 0) await this.redis.hset(KEY, ...fields);
    } catch (error) {
      this.log.debug({ err: error, wills: wills.length }, 'last wills could not be stored');
    }
  }
}

const fieldOf = (brokerId: string | undefined, clientId: string) => `${brokerId}:${clientId}`;
