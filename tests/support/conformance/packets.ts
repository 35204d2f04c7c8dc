import { fixedHeader, type RawPacket } from '../raw-mqtt.ts';

/** Of MQTT 3.1.1, table 2.1. */
export const UNSUBACK = 11;

const uint16 = (value: number) => Buffer.from([value >> 8, value & 255]);

/** A length of two bytes, and what is so long. */
export function field(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint16(bytes.length), bytes]);
}

/** Any packet: its first byte, and what follows the fixed header. */
export function packet(first: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([fixedHeader(first, body.length), body]);
}

export type Will = { topic: string | Buffer; payload: string; qos?: number; retain?: boolean };

export type ConnectFields = {
  clientId?: string | Buffer;
  clean?: boolean;
  keepalive?: number;
  will?: Will;
  user?: string | Buffer;
  password?: string;
  name?: string;
  level?: number;
  /** Changes the flags, right or wrong, after all. */
  flags?: (right: number) => number;
  /** After all that belongs to it. */
  more?: Buffer;
};

/** A CONNECT in which all may be wrong. */
export function connectPacket(fields: ConnectFields): Buffer {
  const { clientId = '', clean = true, keepalive = 0, will, user, password } = fields;
  const { name = 'MQTT', level = 4, flags = (right) => right, more = Buffer.alloc(0) } = fields;
  const willFlags = will === undefined ? 0 : 4 | ((will.qos ?? 0) << 3) | (will.retain ? 0x20 : 0);
  const right =
    (user === undefined ? 0 : 0x80) | (password === undefined ? 0 : 0x40) | (clean ? 2 : 0) | willFlags;
  return packet(
    0x10,
    field(name),
    Buffer.from([level, flags(right)]),
    uint16(keepalive),
    field(clientId),
    ...(will === undefined ? [] : [field(will.topic), field(will.payload)]),
    ...(user === undefined ? [] : [field(user)]),
    ...(password === undefined ? [] : [field(password)]),
    more,
  );
}

/** A SUBSCRIBE: each filter with the byte of options after it. */
export const subscribePacket = (id: number, filters: readonly (readonly [string | Buffer, number])[]) =>
  packet(0x82, uint16(id), ...filters.flatMap(([filter, qos]) => [field(filter), Buffer.from([qos])]));

export const unsubscribePacket = (id: number, ...filters: readonly (string | Buffer)[]) =>
  packet(0xa2, uint16(id), ...filters.map(field));

export type Message = {
  topic: string;
  payload: string;
  qos: number;
  dup: boolean;
  retain: boolean;
  /** 0: none, at QoS 0. */
  id: number;
};

export function messageOf({ flags, body }: RawPacket): Message {
  const end = 2 + body.readUInt16BE(0);
  const qos = (flags >> 1) & 3;
  return {
    topic: body.toString('utf8', 2, end),
    payload: body.toString('utf8', end + (qos > 0 ? 2 : 0)),
    qos,
    dup: (flags & 8) === 8,
    retain: (flags & 1) === 1,
    id: qos > 0 ? body.readUInt16BE(end) : 0,
  };
}

export const idOf = ({ body }: RawPacket): number => body.readUInt16BE(0);

/** On the platform a subscriber gets more than what was published. */
export function says({ payload }: Message, published: string): void {
  if (!payload.includes(published.replace(/[{}]/g, ''))) throw new Error(`${payload}, not ${published}`);
}
