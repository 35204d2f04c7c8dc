import { Readable } from 'node:stream';
import type { ClusterEmitter } from '../emitter/cluster.ts';
import type { EmittedMessage } from '../emitter/index.ts';
import { onReady, untilReady } from '../redis/connection.ts';
import type { RedisConnections } from '../redis/connections.ts';
import type { Logger } from '../telemetry/log.ts';
import type { QueuedPacket, SessionStore, StoredSubscription } from './index.ts';
import { Leftovers } from './leftovers.ts';
import { RedisIncoming } from './redis-incoming.ts';
import { NoSuchPacket, RedisQueues } from './redis-queues.ts';
import { RedisRetained } from './redis-retained.ts';
import { RedisSessions } from './redis-sessions.ts';
import { RedisWills, type Will } from './redis-wills.ts';

export type RedisSessionStoreOptions = {
  connections: RedisConnections;
  emitter: Pick<ClusterEmitter, 'on' | 'removeListener' | 'emit' | 'close' | 'onGap'>;
  log: Logger;
  /** A queue was full, and lost a message. */
  onDropped?: () => void;
  /** Messages that wait for one session. */
  maxQueued: number;
  /** ms that a message waits for a session. */
  messageMaxAgeMs?: number;
  /** ms that a session waits for its client. */
  sessionMaxAgeMs?: number;
};

export type RedisSessionStore = SessionStore & {
  /** Resolves to true when the stored subscriptions are known, to false when Redis does not answer within this time (ms). */
  loaded(timeoutMs: number): Promise<boolean>;
};

const MESSAGE_MAX_AGE_MS = 24 * 3_600_000;
const SESSION_MAX_AGE_MS = 7 * 24 * 3_600_000;
/** Connected sessions are noted, old ones ended, and what failed is tried again. */
const UPKEEP_MS = 60_000;

/** Aedes' client: `clean`, its session ends with the connection; `brokerId`, of a broker that has died. */
type Client = { id: string; clean?: boolean; brokerId?: string };
type Broker = { id: string; clients: Record<string, Client> };

/**
 * The session store of a cluster. Subscriptions are kept by aedes-persistence-redis; what it has no bound, no age or no common
 * knowledge of is kept by our own: queues, retained messages, wills, QoS 2 messages that came.
 *
 * Sessions that end with their connection ask Redis for nothing that they would have to wait for, so that they can come and go while it
 * is away.
 */
export function createRedisSessionStore(options: RedisSessionStoreOptions): RedisSessionStore {
  return new Store(options);
}

class Store implements RedisSessionStore {
  private readonly connection;
  private readonly queueConnection;
  private readonly sessions: RedisSessions;
  private readonly queues: RedisQueues;
  private readonly retained: RedisRetained;
  private readonly wills: RedisWills;
  private readonly incoming: RedisIncoming;
  private readonly leftovers: Leftovers;
  private readonly upkeep: NodeJS.Timeout;
  private readonly log: Logger;
  private broker: Broker | undefined;

  constructor(options: RedisSessionStoreOptions) {
    const { connections, emitter, log, onDropped = () => undefined } = options;
    const messageMaxAgeMs = options.messageMaxAgeMs ?? MESSAGE_MAX_AGE_MS;
    const sessionMaxAgeMs = options.sessionMaxAgeMs ?? SESSION_MAX_AGE_MS;
    this.log = log;
    // All keys of aedes-persistence-redis, and what a script touches with them, are on one node of a Redis Cluster; queues are on any
    this.connection = connections.connect('sessions', { keyPrefix: connections.key('', 'mqtt') });
    this.queueConnection = connections.connect('queues', { keyPrefix: connections.key('mqtt:') });
    const limits = { maxQueued: options.maxQueued, messageMaxAgeMs };
    this.queues = new RedisQueues(this.queueConnection, limits, onDropped);
    this.retained = new RedisRetained(this.connection, log);
    this.wills = new RedisWills(this.connection, log);
    this.incoming = new RedisIncoming(this.queueConnection, messageMaxAgeMs, log);
    const forget = async (ids: readonly string[]) => {
      await Promise.all([this.queues.forget(ids), this.incoming.forget(ids)]);
    };
    this.leftovers = new Leftovers(forget, log);
    this.sessions = new RedisSessions(this.connection, emitter, { sessionMaxAgeMs, forget }, log);
    onReady(this.connection, () => void this.resume());
    emitter.onGap(() => void this.sessions.load());
    this.upkeep = setInterval(() => void this.maintain(), Math.min(UPKEEP_MS, sessionMaxAgeMs / 4));
    this.upkeep.unref();
  }

  async loaded(timeoutMs: number): Promise<boolean> {
    if (this.sessions.isLoaded) return true;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    const loaded = untilReady(this.connection, timeoutMs).then(
      () => this.sessions.load(),
      () => undefined,
    );
    await Promise.race([loaded, late]);
    clearTimeout(timer);
    return this.sessions.isLoaded;
  }

  /** By the broker, if this process has one. */
  async setup(broker: Broker): Promise<void> {
    this.broker = broker;
    this.wills.brokerId = broker.id;
  }

  // ---- Subscriptions ----

  async addSubscriptions(client: Client, subscriptions: object[]): Promise<void> {
    if (!client.clean) await this.sessions.add(client, subscriptions);
  }

  async removeSubscriptions(client: Client, filters: string[]): Promise<void> {
    if (!client.clean) await this.sessions.remove(client, filters);
  }

  subscriptionsByClient(client: Client): Promise<{ topic: string; qos: 0 | 1 | 2 }[]> {
    return this.sessions.takeUp(client);
  }

  async subscriptionsByTopic(topic: string): Promise<StoredSubscription[]> {
    return this.sessions.byTopic(topic);
  }

  /** A clean CONNECT. Of a session that had no subscription any more, messages may be left. */
  async cleanSubscriptions({ id }: Client): Promise<void> {
    this.leftovers.add(id);
    await this.sessions.clean(id);
  }

  // ---- Queues ----

  async outgoingEnqueue({ clientId }: { clientId: string }, message: QueuedPacket): Promise<void> {
    if (!(await this.queues.enqueue(clientId, message))) throw new Error('the queue of this session is full');
  }

  async outgoingEnqueueCombi(subscriptions: StoredSubscription[], message: EmittedMessage): Promise<void> {
    await Promise.all(subscriptions.map(({ clientId }) => this.queues.enqueue(clientId, message)));
  }

  outgoingStream(client: Client): Readable {
    return Readable.from(client.clean ? [] : this.queues.read(client.id));
  }

  /** While Redis is away it is sent all the same, and will be again after a reconnect: at least once. */
  async outgoingUpdate(client: Client, packet: QueuedPacket): Promise<void> {
    try {
      await this.queues.sent(client.id, packet);
    } catch (error) {
      if (error instanceof NoSuchPacket) throw error;
      this.log.debug({ err: error, clientId: client.id }, 'what is sent could not be noted');
    }
  }

  async outgoingClearMessageId(
    client: Client,
    { messageId }: QueuedPacket,
  ): Promise<QueuedPacket | undefined> {
    if (client.clean || messageId === undefined) return undefined;
    try {
      return await this.queues.clear(client.id, messageId);
    } catch (error) {
      this.log.debug({ err: error, clientId: client.id }, 'an acknowledgement could not be noted');
      return undefined;
    }
  }

  // ---- QoS 2 messages that came ----

  incomingStorePacket(client: Client, packet: { messageId?: number }): Promise<void> {
    return this.incoming.store(client, packet);
  }

  incomingGetPacket(client: Client, packet: { messageId?: number }): Promise<object> {
    return this.incoming.get(client, packet);
  }

  incomingDelPacket(client: Client, packet: { messageId?: number }): Promise<void> {
    return this.incoming.delete(client, packet);
  }

  // ---- Retained messages ----

  storeRetained(message: EmittedMessage): Promise<void> {
    return this.retained.store(message);
  }

  createRetainedStreamCombi(filters: string[]): Readable {
    return Readable.from(this.retained.matching(filters));
  }

  // ---- Wills ----

  putWill({ id }: Client, will: Will): Promise<void> {
    return this.wills.put(id, will);
  }

  delWill({ id, brokerId }: Client): Promise<Will | undefined> {
    return this.wills.delete(id, brokerId);
  }

  streamWill(brokers: Record<string, unknown> = {}): Readable {
    return Readable.from(this.wills.of(brokers));
  }

  async destroy(): Promise<void> {
    clearInterval(this.upkeep);
    this.sessions.stop();
    this.connection.disconnect();
    this.queueConnection.disconnect();
  }

  /** Redis is there, or back; it may have been started empty. */
  private async resume(): Promise<void> {
    await this.wills.storeAgain();
    await this.sessions.load();
    await this.catchUp();
  }

  private async maintain(): Promise<void> {
    if (this.connection.status !== 'ready' || !this.sessions.isLoaded) return;
    await this.catchUp();
    try {
      const connected = Object.values(this.broker?.clients ?? {}).filter(({ clean }) => !clean);
      await this.sessions.refresh(connected.map(({ id }) => id));
      await this.sessions.sweep();
    } catch (error) {
      this.log.warn({ err: error }, 'old sessions could not be ended; trying again');
    }
  }

  /** What could not be stored while Redis was away. */
  private async catchUp(): Promise<void> {
    try {
      await this.retained.storeLate();
      await this.sessions.endLate();
    } catch (error) {
      this.log.warn({ err: error }, 'what waited for Redis could not be stored; trying again');
    }
  }
}
