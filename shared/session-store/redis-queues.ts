import { decodeMessages, encodeMessage } from '../emitter/frames.ts';
import type { EmittedMessage } from '../emitter/index.ts';
import { type RedisConnection, unlink } from '../redis/connection.ts';
import type { QueuedPacket } from './index.ts';
import { queueScripts } from './queue-scripts.ts';

type Keys = [order: string, unsent: string, bodies: string, ids: string];
type Name = keyof typeof queueScripts;
type Scripts = Record<Name, (...parts: (string | number | Buffer)[]) => Promise<unknown>> &
  Record<`${Name}Buffer`, (...parts: (string | number | Buffer)[]) => Promise<unknown>>;

/** Messages read at a time: at most some MiB. */
const PAGE = 50;

export type QueueLimits = {
  /** Messages that wait for one session: what a driver or a rider that was away for a day still wants to know. */
  maxQueued: number;
  /** ms. */
  messageMaxAgeMs: number;
};

export class NoSuchPacket extends Error {}

/**
 * The queues of the sessions. Not those of aedes-persistence-redis: they know no bound, hold one message for all sessions together with
 * the message id that one of them gave it, and which id stands for which message is known in the process alone that sent it.
 */
export class RedisQueues {
  private readonly redis: RedisConnection;
  private readonly scripts: Scripts;
  private readonly limits: QueueLimits;
  private readonly onDropped: () => void;

  constructor(redis: RedisConnection, limits: QueueLimits, onDropped: () => void) {
    this.redis = redis;
    this.limits = limits;
    this.onDropped = onDropped;
    for (const [name, script] of Object.entries(queueScripts)) redis.defineCommand(name, script);
    this.scripts = redis as unknown as Scripts;
  }

  /** False: it is full of what was sent and not acknowledged. */
  async enqueue(clientId: string, message: QueuedPacket): Promise<boolean> {
    const { maxQueued, messageMaxAgeMs } = this.limits;
    const body = encodeMessage(message as EmittedMessage);
    const dropped = await this.scripts.queueEnqueue(
      ...keysOf(clientId),
      nameOf(message),
      body,
      maxQueued,
      messageMaxAgeMs,
    );
    if (dropped !== 0) this.onDropped();
    return dropped !== -1;
  }

  /** Rejects with NoSuchPacket where it is not there. */
  async sent(clientId: string, packet: QueuedPacket): Promise<void> {
    const { messageId = 0 } = packet;
    const keys = keysOf(clientId);
    const isThere =
      packet.cmd === 'pubrel'
        ? await this.scripts.queueRelease(...keys, messageId)
        : await this.scripts.queueSent(...keys, nameOf(packet), messageId, this.limits.messageMaxAgeMs);
    if (isThere !== 1) throw new NoSuchPacket('no such packet');
  }

  async clear(clientId: string, messageId: number): Promise<QueuedPacket | undefined> {
    const body = (await this.scripts.queueClearBuffer(...keysOf(clientId), messageId)) as Buffer | null;
    return body === null ? undefined : packetOf(body, messageId);
  }

  /** What waits now, the oldest first. */
  async *read(clientId: string): AsyncGenerator<QueuedPacket> {
    let after = '-inf';
    let upTo = '';
    for (;;) {
      const [limit, ...found] = (await this.scripts.queuePageBuffer(
        ...keysOf(clientId),
        after,
        upTo,
        PAGE,
        this.limits.messageMaxAgeMs,
      )) as Buffer[];
      if (limit === undefined || found.length === 0) return;
      upTo = limit.toString();
      for (let at = 0; at + 2 < found.length; at += 3) {
        const [time, id, body] = found.slice(at, at + 3) as [Buffer, Buffer, Buffer];
        after = time.toString();
        yield packetOf(body, id.length === 0 ? undefined : Number(id.toString()));
      }
    }
  }

  /** What is left of these sessions. */
  async forget(clientIds: readonly string[]): Promise<void> {
    await unlink(this.redis, clientIds.map(keysOf));
  }
}

const nameOf = ({ brokerId, brokerCounter }: QueuedPacket) => `${brokerId}:${brokerCounter}`;

function keysOf(clientId: string): Keys {
  const queue = `queue:{${encodeURIComponent(clientId)}}`;
  return [`${queue}:order`, `${queue}:unsent`, `${queue}:bodies`, `${queue}:ids`];
}

function packetOf(body: Buffer, messageId: number | undefined): QueuedPacket {
  const [message] = decodeMessages(body);
  // All PUBRELs have the same sender, none: each has to be told from the others
  if (message === undefined)
    return { cmd: 'pubrel', messageId, brokerId: `pubrel ${messageId}`, brokerCounter: 1 };
  return { ...message, dup: false, messageId } as QueuedPacket;
}
