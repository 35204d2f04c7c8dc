import { encode, type RawConnection, type RawPacket, TYPE } from '../raw-mqtt.ts';
import { idOf, type Message, messageOf, subscribePacket, UNSUBACK, unsubscribePacket } from './packets.ts';

export type PublishOptions = { qos?: 0 | 1 | 2; retain?: boolean };

/** A client that does what the standard asks of one, on a connection that is logged in. */
export class Peer {
  readonly raw: RawConnection;
  /** Of the CONNACK. */
  readonly sessionPresent: boolean;
  private lastId = 0;
  /** Messages that came while something else was waited for. */
  private readonly early: RawPacket[] = [];

  constructor(raw: RawConnection, sessionPresent: boolean) {
    this.raw = raw;
    this.sessionPresent = sessionPresent;
  }

  nextId(): number {
    return ++this.lastId;
  }

  /** @returns the return codes of SUBACK */
  async subscribe(...filters: readonly (readonly [filter: string, qos: number])[]): Promise<number[]> {
    const id = this.nextId();
    this.raw.send(subscribePacket(id, filters));
    const suback = await this.next(TYPE.SUBACK);
    if (idOf(suback) !== id) throw new Error(`SUBACK for ${idOf(suback)}, not ${id}`);
    return [...suback.body.subarray(2)];
  }

  async unsubscribe(...filters: readonly string[]): Promise<void> {
    const id = this.nextId();
    this.raw.send(unsubscribePacket(id, ...filters));
    const unsuback = await this.next(UNSUBACK);
    if (idOf(unsuback) !== id) throw new Error(`UNSUBACK for ${idOf(unsuback)}, not ${id}`);
  }

  /** Until it is acknowledged, and the broker has come to the next packet. */
  async publish(topic: string, payload: string, options: PublishOptions = {}): Promise<void> {
    const { qos = 0, retain = false } = options;
    const id = this.nextId();
    this.raw.send(encode.publish(topic, payload, { qos, id, retain }));
    if (qos === 1) await this.acknowledged(TYPE.PUBACK, id);
    if (qos === 2) {
      await this.acknowledged(TYPE.PUBREC, id);
      this.raw.send(encode.acknowledge(TYPE.PUBREL, id));
      await this.acknowledged(TYPE.PUBCOMP, id);
    }
    await this.ping();
  }

  async acknowledged(type: number, id: number): Promise<void> {
    const answer = await this.next(type);
    if (idOf(answer) !== id) throw new Error(`packet of type ${type} for ${idOf(answer)}, not ${id}`);
  }

  async ping(): Promise<void> {
    this.raw.send(encode.ping());
    await this.next(TYPE.PINGRESP);
  }

  private async next(type: number): Promise<RawPacket> {
    for (;;) {
      const packet = await this.raw.next();
      if (packet.type === type) return packet;
      if (packet.type === TYPE.PUBLISH) this.early.push(packet);
    }
  }

  /** The next message, not acknowledged. */
  async unacknowledged(): Promise<Message> {
    return messageOf(this.early.shift() ?? (await this.raw.next(TYPE.PUBLISH)));
  }

  /** The next message (on this topic), acknowledged. */
  async message(topic?: string): Promise<Message> {
    for (;;) {
      const message = await this.unacknowledged();
      await this.acknowledge(message);
      if (topic === undefined || message.topic === topic) return message;
    }
  }

  async acknowledge({ qos, id }: Message): Promise<void> {
    if (qos === 1) this.raw.send(encode.acknowledge(TYPE.PUBACK, id));
    if (qos === 2) {
      this.raw.send(encode.acknowledge(TYPE.PUBREC, id));
      await this.acknowledged(TYPE.PUBREL, id);
      this.raw.send(encode.acknowledge(TYPE.PUBCOMP, id));
    }
  }

  /** The messages that come before one on this topic. */
  async messagesUntil(topic: string): Promise<Message[]> {
    const messages: Message[] = [];
    for (;;) {
      const message = await this.message();
      if (message.topic === topic) return messages;
      messages.push(message);
    }
  }

  /** Says good-bye. */
  async disconnect(): Promise<void> {
    this.raw.send(encode.disconnect());
    await this.raw.closed;
  }
}
