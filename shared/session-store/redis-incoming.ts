import { type RedisConnection, unlink } from '../redis/connection.ts';
import type { Logger } from '../telemetry/log.ts';

type Client = { id: string; clean?: boolean };
type Packet = { messageId?: number };

const NOTHING = Buffer.alloc(0);
const keyOf = (clientId: string) => `incoming:{${encodeURIComponent(clientId)}}`;

/**
 * The QoS 2 messages that came and are not released: only that they came. Those of a session that ends with its connection are known here
 * alone; those of others, too, while Redis is away: then one that is sent again over another connection may count twice.
 */
export class RedisIncoming {
  private readonly redis: RedisConnection;
  private readonly maxAgeMs: number;
  private readonly log: Logger;
  private readonly here = new WeakMap<object, Set<number>>();

  constructor(redis: RedisConnection, maxAgeMs: number, log: Logger) {
    this.log = log;
    this.redis = redis;
    this.maxAgeMs = maxAgeMs;
  }

  async store(client: Client, { messageId = 0 }: Packet): Promise<void> {
    const known = this.here.get(client) ?? new Set();
    this.here.set(client, known);
    known.add(messageId);
    if (client.clean) return;
    const key = keyOf(client.id);
    await this.orNothing(this.redis.multi().sadd(key, messageId).pexpire(key, this.maxAgeMs).exec());
  }

  /** Rejects where there is none. */
  async get(client: Client, { messageId = 0 }: Packet): Promise<object> {
    const isHere = this.here.get(client)?.has(messageId) ?? false;
    const isKnown =
      isHere ||
      (!client.clean && (await this.orNothing(this.redis.sismember(keyOf(client.id), messageId))) === 1);
    if (!isKnown) throw new Error('no such packet');
    return { messageId, payload: NOTHING };
  }

  async delete(client: Client, { messageId = 0 }: Packet): Promise<void> {
    this.here.get(client)?.delete(messageId);
    if (!client.clean) await this.orNothing(this.redis.srem(keyOf(client.id), messageId));
  }

  /** What is left of these sessions. */
  async forget(clientIds: readonly string[]): Promise<void> {
    await unlink(
      this.redis,
      clientIds.map((id) => [keyOf(id)]),
    );
  }

  private async orNothing<T>(answer: Promise<T>): Promise<T | undefined> {
    try {
      return await answer;
    } catch (error) {
      this.log.debug({ err: error }, 'a QoS 2 message is known to this process alone');
      return undefined;
    }
  }
}
