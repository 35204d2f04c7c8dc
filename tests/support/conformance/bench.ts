import { randomUUID } from 'node:crypto';
import { openTcp, type RawConnection, TYPE } from '../raw-mqtt.ts';
import { type ConnectFields, connectPacket, type Message, says } from './packets.ts';
import { Peer } from './peer.ts';

/** A broker to be held against the standard. */
export type Broker = {
  /** `platform`: with authentication on. `relay`: the same, that lets everybody in and relays every topic. */
  name: 'platform' | 'relay';
  port: number;
  wsPort: number;
  /** Good for a CONNECT of one user, who may publish to and subscribe to `topic`. */
  credentials(): Promise<{ user: string; password: string }>;
  /** One that nobody has used, with what can be published there. */
  topic(): string;
  /** A filter with a wildcard that matches it, and is granted. */
  wildcard(topic: string): string;
  payloads: readonly [string, string];
};

/** What a check of one statement works with: connections of one user, closed with it. */
export class Bench {
  readonly broker: Broker;
  readonly topic: string;
  /** Two that differ, also in what a subscriber gets. */
  readonly payloads: readonly [string, string];
  private readonly credentials: { user: string; password: string };
  private readonly connections: RawConnection[] = [];

  private constructor(broker: Broker, credentials: { user: string; password: string }) {
    this.broker = broker;
    this.topic = broker.topic();
    this.payloads = broker.payloads;
    this.credentials = credentials;
  }

  static async of(broker: Broker): Promise<Bench> {
    return new Bench(broker, await broker.credentials());
  }

  /** A filter with a wildcard that matches the topic. */
  get wildcard(): string {
    return this.broker.wildcard(this.topic);
  }

  anotherTopic(): string {
    return this.broker.topic();
  }

  clientId(): string {
    return randomUUID().replaceAll('-', '').slice(0, 23);
  }

  /** With good credentials, and else as said. */
  connect(fields: ConnectFields = {}): Buffer {
    return connectPacket({ clientId: this.clientId(), ...this.credentials, ...fields });
  }

  open(): RawConnection {
    return this.keep(openTcp(this.broker.port));
  }

  keep(connection: RawConnection): RawConnection {
    this.connections.push(connection);
    return connection;
  }

  /** One who has subscribed, and one who publishes. */
  async pair(qos: number, filter = this.topic): Promise<[reader: Peer, writer: Peer]> {
    const reader = await this.login();
    await reader.subscribe([filter, qos]);
    return [reader, await this.login()];
  }

  /** Fails where something else comes before what is published now on the topic of the check. */
  async isNext(reader: Peer): Promise<void> {
    const writer = await this.login();
    await writer.publish(this.topic, this.payloads[1], { qos: 1 });
    says(await reader.message(), this.payloads[1]);
  }

  /** Sends a CONNECT. @returns the two bytes of CONNACK, as they came first */
  async connack(
    connection: RawConnection,
    connect: Buffer,
  ): Promise<readonly [present: number, code: number]> {
    connection.send(connect);
    const first = await connection.next();
    if (first.type !== TYPE.CONNACK) throw new Error(`a packet of type ${first.type} before CONNACK`);
    return [first.body[0] ?? -1, first.body[1] ?? -1];
  }

  async login(fields: ConnectFields = {}): Promise<Peer> {
    const connection = this.open();
    const [present, code] = await this.connack(connection, this.connect(fields));
    if (code !== 0) throw new Error(`CONNACK ${code}`);
    return new Peer(connection, present === 1);
  }

  /** What the broker answers before it closes the connection, which it must. */
  async closes(...bytes: readonly Buffer[]): Promise<number[]> {
    const connection = this.open();
    connection.send(...bytes);
    await connection.closed;
    return connection.received.map(({ type }) => type);
  }

  /** The same, after a login. @returns what was answered after CONNACK */
  async closesAfterLogin(...bytes: readonly Buffer[]): Promise<number[]> {
    const { raw } = await this.login();
    raw.send(...bytes);
    await raw.closed;
    return raw.received.slice(1).map(({ type }) => type);
  }

  /** What is retained there for who subscribes now: a message that always is, comes after it. (Where all topics are relayed.) */
  async retained(filter: string): Promise<Message[]> {
    const reader = await this.login();
    const last = this.anotherTopic();
    await reader.publish(last, 'last', { qos: 1, retain: true });
    await reader.subscribe([filter, 1], [this.broker.wildcard(last), 1]);
    return reader.messagesUntil(last);
  }

  end(): void {
    for (const connection of this.connections) connection.end();
  }
}
