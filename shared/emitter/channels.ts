import type { Redis } from 'ioredis';
import mqemitterRedis from 'mqemitter-redis';
import { renew } from '../redis/connection.ts';
import type { RedisConnections } from '../redis/connections.ts';
import type { Logger } from '../telemetry/log.ts';

type Carrier = Pick<mqemitterRedis.MQEmitterRedis, 'on' | 'emit'> & { state: NodeJS.EventEmitter };

// A function that its types take for a class
const newCarrier = mqemitterRedis as unknown as (connections: { subConn: Redis; pubConn: Redis }) => Carrier;

/**
 * The two channels of a node on Redis: its own, and the one of all. mqemitter-redis carries them; that they are subscribed to again after
 * an outage is ours, since we have to know when they are.
 */
export class Channels {
  private readonly carrier: Carrier;
  private readonly subscriber: Redis;
  private readonly publisher: Redis;
  private readonly names: { own: string; all: string };
  private readonly nameOf: (nodeId: string) => string;
  private readonly changed: (isUp: boolean) => void;
  private readonly connections: RedisConnections;
  private readonly log: Logger;
  private subscribed = false;
  private wasUp = false;
  private closed = false;
  private underWay = 0;

  /** `changed`: both channels can be used, or can't any more. */
  constructor(
    connections: RedisConnections,
    nodeId: string,
    receive: (payload: Buffer) => void,
    changed: (isUp: boolean) => void,
    log: Logger,
  ) {
    this.connections = connections;
    this.log = log;
    this.changed = changed;
    this.nameOf = (id) => connections.key(`emitter:node:${id}`);
    this.names = { own: this.nameOf(nodeId), all: connections.key('emitter:all') };
    this.subscriber = connections.connectToOne('emitter-subscribe', { autoResubscribe: false });
    this.publisher = connections.connectToOne('emitter-publish');
    this.carrier = newCarrier({ subConn: this.subscriber, pubConn: this.publisher });
    // The connections say so themselves; without a listener it would end the process
    this.carrier.state.on('error', () => undefined);
    for (const name of [this.names.own, this.names.all])
      this.carrier.on(name, (packet, done) => {
        if (Buffer.isBuffer(packet.payload)) receive(packet.payload);
        done();
      });
    this.subscriber.on('ready', () => void this.subscribe());
    this.subscriber.on('close', () => {
      this.subscribed = false;
      this.update();
    });
    this.publisher.on('ready', () => this.update());
    this.publisher.on('close', () => this.update());
  }

  /** Bytes that Redis has not confirmed yet. */
  get bytesUnderWay(): number {
    return this.underWay;
  }

  /** Resolves when Redis has handed it out. */
  toAll(payload: Buffer): Promise<void> {
    return this.publish(this.names.all, payload);
  }

  toNode(nodeId: string, payload: Buffer): Promise<void> {
    return this.publish(this.nameOf(nodeId), payload);
  }

  /** How many nodes there are now, this one included. */
  countNodes(): Promise<number> {
    return this.connections.listeners(this.publisher, this.names.all);
  }

  /** What we send to all does not come back: a connection that looks alive, and is not. */
  renew(): void {
    for (const connection of [this.subscriber, this.publisher]) renew(connection);
  }

  close(): void {
    this.closed = true;
    this.subscriber.disconnect();
    this.publisher.disconnect();
  }

  private publish(topic: string, payload: Buffer): Promise<void> {
    this.underWay += payload.length;
    return new Promise<void>((resolve, reject) => {
      this.carrier.emit({ topic, payload }, (error) => {
        this.underWay -= payload.length;
        if (error) reject(error);
        else resolve();
      });
    });
  }

  private async subscribe(): Promise<void> {
    try {
      await this.subscriber.subscribe(this.names.own, this.names.all);
      this.subscribed = this.subscriber.status === 'ready';
      this.update();
    } catch (error) {
      if (this.closed) return;
      this.log.warn({ err: error }, 'the channels between nodes could not be subscribed to; trying again');
      if (this.subscriber.status === 'ready') this.renew();
    }
  }

  private update(): void {
    const isUp = !this.closed && this.subscribed && this.publisher.status === 'ready';
    if (isUp === this.wasUp) return;
    this.wasUp = isUp;
    this.changed(isUp);
  }
}
