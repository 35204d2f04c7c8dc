import { randomUUID } from 'node:crypto';
import type { RedisConnections } from '../redis/connections.ts';
import type { Logger } from '../telemetry/log.ts';
import { Channels } from './channels.ts';
import { decodeFrame } from './frames.ts';
import type { EmittedMessage, Emitter, Listener } from './index.ts';
import { Link } from './link.ts';
import { LocalListeners } from './local-listeners.ts';
import { Membership } from './membership.ts';
import { unpack } from './notes.ts';
import { Sending } from './sending.ts';

export type ClusterEmitterOptions = {
  connections: RedisConnections;
  log: Logger;
  /** So many messages were dropped because Redis was away, or too slow, for too long. */
  onDropped?: (count: number) => void;
  /** The first message of what came at once from another node was handed to whoever listens here. */
  onDelivered?: (message: EmittedMessage) => void;
  /** ms between two signs of life of a node. */
  heartbeatMs?: number;
  /** ms after the last one until a node is taken for dead. */
  expiryMs?: number;
  /** Bytes that may wait for each other node. 4 MiB: some 20,000 positions, a second of a busy platform. */
  maxWaitingBytes?: number;
};

export type ClusterEmitter = Emitter & {
  /** Of this process. */
  readonly nodeId: string;
  /** `listener` is called when messages of other nodes may have been lost: what is kept somewhere is to be read again. */
  onGap(listener: () => void): void;
  /** Resolves to true when this node knows the others, to false when it does not within this time (ms): Redis is away. */
  joined(timeoutMs: number): Promise<boolean>;
};

const HEARTBEAT_MS = 1000;
const EXPIRY_MS = 4000;
const MAX_WAITING_BYTES = 4_194_304;
/** One event for gaps that come together: a whole cluster comes back at once. */
const GAP_PAUSE_MS = 100;

const NOTHING = () => undefined;

/**
 * Local first: a message is handed to the listeners of this process at once, and crosses Redis only to nodes that want it. The
 * messages of one event-loop turn to one node are one publish. While this node has not joined the others it can't know who wants
 * what: messages are held, within a bound, and sent when it has.
 */
export function createClusterEmitter(options: ClusterEmitterOptions): ClusterEmitter {
  return new Cluster(options);
}

class Cluster implements ClusterEmitter {
  readonly nodeId = randomUUID();
  private readonly log: Logger;
  private readonly onDelivered: (message: EmittedMessage) => void;
  private readonly local = new LocalListeners();
  private readonly channels: Channels;
  private readonly membership: Membership;
  private readonly sending: Sending;
  private readonly gapListeners: (() => void)[] = [];
  private readonly joinListeners = new Set<() => void>();
  private linkCount = 0;
  private isScheduled = false;
  private gapTimer: NodeJS.Timeout | undefined;

  constructor(options: ClusterEmitterOptions) {
    const { nodeId } = this;
    const { connections, log, onDropped = () => undefined, maxWaitingBytes = MAX_WAITING_BYTES } = options;
    this.log = log;
    this.onDelivered = options.onDelivered ?? NOTHING;
    const receive = (payload: Buffer) => this.receive(payload);
    this.channels = new Channels(connections, nodeId, receive, (isUp) => this.channelsChanged(isUp), log);
    this.sending = new Sending(this.channels, maxWaitingBytes, onDropped);
    this.membership = new Membership({
      nodeId,
      channels: this.channels,
      log,
      heartbeatMs: options.heartbeatMs ?? HEARTBEAT_MS,
      expiryMs: options.expiryMs ?? EXPIRY_MS,
      newLink: (to) => new Link(nodeId, to, ++this.linkCount, maxWaitingBytes, onDropped),
      filters: () => this.local.filters(),
      joined: (isBack) => this.hasJoined(isBack),
      left: (link) => this.sending.forget(link),
      gap: () => this.noteGap(),
    });
  }

  /** `done` is called when the other nodes were told, or at once while Redis is away. */
  on(topic: string, listener: Listener, done?: () => void): this {
    const { announcements } = this.membership;
    if (this.local.add(topic, listener)) announcements.change(topic, true, done);
    else if (done !== undefined) announcements.afterwards(done);
    this.schedule();
    return this;
  }

  removeListener(topic: string, listener: Listener, done?: () => void): this {
    if (this.local.remove(topic, listener)) {
      this.membership.announcements.change(topic, false);
      this.schedule();
    }
    if (done !== undefined) setImmediate(done);
    return this;
  }

  emit(message: EmittedMessage, done: (error?: Error) => void = () => undefined): this {
    const { state, table } = this.membership;
    if (state === 'closed') {
      done(new Error('the emitter is closed'));
      return this;
    }
    // The others first, so that what a listener emits does not overtake it
    if (state !== 'joined') this.sending.hold(message);
    else {
      const links = table.wanting(message.topic);
      if (links.length > 0) {
        this.sending.send(links, message);
        this.schedule();
      }
    }
    this.local.deliver(message, done);
    return this;
  }

  onGap(listener: () => void): void {
    this.gapListeners.push(listener);
  }

  joined(timeoutMs: number): Promise<boolean> {
    if (this.membership.state === 'joined') return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = (isJoined: boolean) => {
        clearTimeout(timer);
        this.joinListeners.delete(hasJoined);
        resolve(isJoined);
      };
      const hasJoined = () => settle(true);
      const timer = setTimeout(settle, timeoutMs, false);
      this.joinListeners.add(hasJoined);
    });
  }

  close(done: () => void): this {
    if (this.membership.state === 'joined') this.flush();
    clearTimeout(this.gapTimer);
    this.membership.close().then(() => {
      this.channels.close();
      done();
    });
    return this;
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(() => this.flush());
  }

  private flush(): void {
    this.isScheduled = false;
    this.membership.tellChanges();
    if (this.membership.state === 'joined') this.sending.flush(() => this.schedule());
  }

  private channelsChanged(isUp: boolean): void {
    if (isUp) void this.membership.join();
    else this.membership.leave();
    this.schedule();
  }

  private hasJoined(isBack: boolean): void {
    const { table } = this.membership;
    this.sending.release(
      (topic) => table.wanting(topic),
      table.all.map(({ link }) => link),
    );
    this.schedule();
    for (const listener of [...this.joinListeners]) listener();
    if (isBack) this.noteGap();
  }

  private receive(payload: Buffer): void {
    if (this.membership.state === 'closed') return;
    try {
      const content = unpack(payload);
      if (Buffer.isBuffer(content)) this.receiveFrame(content);
      else this.membership.receive(content);
    } catch (error) {
      this.log.error({ err: error }, 'what another node sent could not be read');
    }
  }

  private receiveFrame(bytes: Buffer): void {
    const { from, link, number, messages } = decodeFrame(bytes);
    const arrived = this.membership.arrivals.frame(from, link, number);
    if (arrived === 'had') return;
    if (arrived === 'gap') this.noteGap();
    for (const message of messages)
      try {
        this.local.deliver(message, message === messages[0] ? () => this.onDelivered(message) : NOTHING);
      } catch (error) {
        this.log.error(
          { err: error, topic: message.topic },
          'a message of another node could not be handed out',
        );
      }
  }

  private noteGap(): void {
    this.gapTimer ??= setTimeout(() => {
      this.gapTimer = undefined;
      for (const listener of this.gapListeners) listener();
    }, GAP_PAUSE_MS);
  }
}
