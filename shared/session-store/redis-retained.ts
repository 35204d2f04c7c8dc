import { decodeMessages, encodeMessage } from '../emitter/frames.ts';
import type { EmittedMessage } from '../emitter/index.ts';
import type { RedisConnection } from '../redis/connection.ts';
import type { Logger } from '../telemetry/log.ts';
import { topics } from '../topics.ts';

const KEY = 'retained';
/** The one topic that is retained. */
const PATTERN = topics.driverStatus.pattern.split('/').map((level) => (level.startsWith('{') ? '+' : level));
/** Read at a time by a scan: some 100 KB, below a millisecond of Redis. */
const SCAN_COUNT = 500;
/** Scans that ask Redis at the same time: a fleet's consoles all subscribe again when a broker comes back. */
const MAX_SCANS = 2;
/** Statuses that wait for Redis to come back: a large fleet's. */
const MAX_LATE = 100_000;
/** Bytes before the message: when it was stored (epoch ms, double). */
const TIME = 8;

/** ARGV: topic, epoch ms (double), value. What was stored since then stays. */
const STORE_LATE = `
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and struct.unpack('<d', known) > struct.unpack('<d', ARGV[2]) then return 0 end
return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ARGV[3])
`;
type StoreLate = {
  retainedStoreLate(key: string, topic: string, at: Buffer, value: Buffer): Promise<number>;
};

/** The retained messages. Only one topic has them: a filter that doesn't reach there asks Redis for nothing. */
export class RedisRetained {
  private readonly redis: RedisConnection & StoreLate;
  private readonly log: Logger;
  private readonly late = new Map<string, { at: number; message: EmittedMessage }>();
  private scans = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(redis: RedisConnection, log: Logger) {
    redis.defineCommand('retainedStoreLate', { numberOfKeys: 1, lua: STORE_LATE });
    this.redis = redis as RedisConnection & StoreLate;
    this.log = log;
  }

  /** While Redis is away it is kept here, and stored when it is back: who is connected here has it all the same. */
  async store(message: EmittedMessage): Promise<void> {
    const { topic } = message;
    if (!isRetainedTopic(topic)) throw new Error(`${topic} is not a topic that is retained`);
    const at = Date.now();
    try {
      if (message.payload.length === 0) await this.redis.hdel(KEY, topic);
      else await this.redis.hset(KEY, topic, Buffer.concat([timeOf(at), encodeMessage(message)]));
      this.late.delete(topic);
    } catch (error) {
      if (this.late.size >= MAX_LATE && !this.late.has(topic)) throw error;
      this.late.set(topic, { at, message });
    }
  }

  /** Redis is back. */
  async storeLate(): Promise<void> {
    for (const [topic, entry] of this.late) {
      const { at, message } = entry;
      if (message.payload.length === 0) await this.redis.hdel(KEY, topic);
      else await this.redis.retainedStoreLate(KEY, topic, timeOf(at), encodeMessage(message));
      if (this.late.get(topic) === entry) this.late.delete(topic);
    }
  }

  /** Each once. When Redis is away there are none: a SUBSCRIBE is granted all the same. */
  async *matching(filters: readonly string[]): AsyncGenerator<EmittedMessage> {
    const wanted = filters.map(retainedBy);
    try {
      if (wanted.includes('all')) yield* this.all();
      else {
        const exact = [...new Set(wanted.filter((topic) => topic !== 'none'))];
        if (exact.length === 0) return;
        for (const value of await this.redis.hmgetBuffer(KEY, ...exact))
          if (value !== null) yield* messageOf(value);
      }
    } catch (error) {
      this.log.warn({ err: error }, 'retained messages could not be read');
    }
  }

  private async *all(): AsyncGenerator<EmittedMessage> {
    // A scan may come by the same field twice
    const seen = new Set<string>();
    let cursor = '0';
    do {
      const [next, found] = await this.scan(cursor);
      cursor = next;
      for (let at = 0; at + 1 < found.length; at += 2) {
        const topic = String(found[at]);
        const value = found[at + 1];
        if (value === undefined || seen.has(topic)) continue;
        seen.add(topic);
        yield* messageOf(value);
      }
    } while (cursor !== '0');
  }

  private async scan(cursor: string): Promise<[cursor: string, found: Buffer[]]> {
    while (this.scans >= MAX_SCANS) await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.scans++;
    try {
      const [next, found] = await this.redis.hscanBuffer(KEY, cursor, 'COUNT', SCAN_COUNT);
      return [String(next), found];
    } finally {
      this.scans--;
      this.waiting.shift()?.();
    }
  }
}

function timeOf(at: number): Buffer {
  const bytes = Buffer.alloc(TIME);
  bytes.writeDoubleLE(at);
  return bytes;
}

function* messageOf(value: Buffer): Generator<EmittedMessage> {
  for (const message of decodeMessages(value, TIME)) yield { ...message, retain: true };
}

function isRetainedTopic(topic: string): boolean {
  const levels = topic.split('/');
  return (
    levels.length === PATTERN.length && PATTERN.every((level, at) => level === '+' || level === levels[at])
  );
}

/** The retained topic that a filter matches, if it is one. */
export function retainedBy(filter: string): string | 'all' | 'none' {
  const levels = filter.split('/');
  const topic: string[] = [];
  for (const [at, own] of PATTERN.entries()) {
    const asked = levels[at];
    if (asked === '#') {
      topic.push(...PATTERN.slice(at));
      return topic.includes('+') ? 'all' : topic.join('/');
    }
    if (asked === undefined || (asked !== '+' && own !== '+' && asked !== own)) return 'none';
    topic.push(asked === '+' ? own : asked);
  }
  // `status/#` matches `status`, too
  const rest = levels.slice(PATTERN.length);
  if (rest.length > 0 && !(rest.length === 1 && rest[0] === '#')) return 'none';
  return topic.includes('+') ? 'all' : topic.join('/');
}
