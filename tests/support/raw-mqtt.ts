import { connect as connectTcp } from 'node:net';
import type { Duplex } from 'node:stream';

/** A packet as it came: `type` and `flags` are the halves of its first byte. */
export type RawPacket = { type: number; flags: number; body: Buffer };

/** MQTT 3.1.1, table 2.1. */
export const TYPE = {
  CONNACK: 2,
  PUBLISH: 3,
  PUBACK: 4,
  PUBREC: 5,
  PUBREL: 6,
  PUBCOMP: 7,
  SUBACK: 9,
  PINGRESP: 13,
};

/** MQTT packets byte by byte, so that tests can also send what no client library would. */
export const encode = {
  connect(options: {
    token?: string;
    clientId?: string;
    clean?: boolean;
    keepalive?: number;
    level?: number;
    will?: { topic: string | Buffer; payload: string };
  }): Buffer {
    const { token, clientId = '', clean = true, keepalive = 0, level = 4, will } = options;
    const flags = (token === undefined ? 0 : 0xc0) | (clean ? 2 : 0) | (will === undefined ? 0 : 4);
    return packet(
      0x10,
      text('MQTT'),
      Buffer.from([level, flags]),
      uint16(keepalive),
      // MQTT 5 has properties here: none
      level === 5 ? Buffer.from([0]) : Buffer.alloc(0),
      text(clientId),
      ...(will === undefined ? [] : [text(will.topic), text(will.payload)]),
      ...(token === undefined ? [] : [text('user'), text(token)]),
    );
  },
  publish(
    topic: string | Buffer,
    payload: string | Buffer,
    { qos = 0, id = 1, dup = false, retain = false } = {},
  ): Buffer {
    const first = 0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
    return packet(first, text(topic), qos > 0 ? uint16(id) : Buffer.alloc(0), Buffer.from(payload));
  },
  subscribe(id: number, filters: readonly (readonly [filter: string | Buffer, qos: number])[]): Buffer {
    return packet(
      0x82,
      uint16(id),
      ...filters.flatMap(([filter, qos]) => [text(filter), Buffer.from([qos])]),
    );
  },
  unsubscribe: (id: number, filters: readonly string[]): Buffer =>
    packet(0xa2, uint16(id), ...filters.map(text)),
  /** PUBACK, PUBREC, PUBREL or PUBCOMP. */
  acknowledge: (type: number, id: number): Buffer =>
    packet((type << 4) | (type === TYPE.PUBREL ? 2 : 0), uint16(id)),
  ping: (): Buffer => packet(0xc0),
  disconnect: (): Buffer => packet(0xe0),
};

/** The fixed header of a packet that says it is `length` bytes long. */
export function fixedHeader(first: number, length: number): Buffer {
  const bytes = [first];
  let rest = length;
  do {
    bytes.push((rest & 127) | (rest > 127 ? 128 : 0));
    rest >>= 7;
  } while (rest > 0);
  return Buffer.from(bytes);
}

/** A whole packet: its first byte, its true length, and what it holds. */
export function packet(first: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([fixedHeader(first, body.length), body]);
}

export const uint16 = (value: number) => Buffer.from([value >> 8, value & 255]);

export function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint16(bytes.length), bytes]);
}

/** What a PUBLISH says. */
export function decodePublish({ flags, body }: RawPacket) {
  const topicEnd = 2 + body.readUInt16BE(0);
  const qos = (flags >> 1) & 3;
  const payloadStart = topicEnd + (qos > 0 ? 2 : 0);
  return {
    topic: body.toString('utf8', 2, topicEnd),
    payload: JSON.parse(body.toString('utf8', payloadStart)) as unknown,
    qos,
    dup: (flags & 8) === 8,
    retain: (flags & 1) === 1,
    id: qos > 0 ? body.readUInt16BE(topicEnd) : 0,
  };
}

/** A connection on which a test decides about every byte. */
export class RawConnection {
  readonly received: RawPacket[] = [];
  /** Settles when the server has closed, or the socket has failed. */
  readonly closed: Promise<void>;
  readonly stream: Duplex;
  private taken = 0;
  private buffer = Buffer.alloc(0);
  private wake: (() => void)[] = [];

  constructor(stream: Duplex) {
    this.stream = stream;
    this.closed = new Promise((resolve) => {
      stream.once('close', () => {
        resolve();
        this.changed();
      });
    });
    // A reset is one of the ways to be closed
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => this.read(chunk));
  }

  send(...packets: readonly Buffer[]): void {
    this.stream.write(Buffer.concat(packets));
  }

  /** The next packet that came and was not asked for yet, of these types; others before it are passed over. */
  async next(...types: readonly number[]): Promise<RawPacket> {
    for (;;) {
      while (this.taken < this.received.length) {
        const candidate = this.received[this.taken++];
        if (candidate !== undefined && (types.length === 0 || types.includes(candidate.type)))
          return candidate;
      }
      if (this.stream.destroyed)
        throw new Error(`closed; received types: ${this.received.map(({ type }) => type)}`);
      await this.change(20_000);
    }
  }

  end(): void {
    this.stream.destroy();
  }

  private read(chunk: Buffer): void {
    this.buffer = Buffer.concat([this.buffer, chunk]);
    for (;;) {
      const whole = firstPacket(this.buffer);
      if (whole === undefined) break;
      this.received.push(whole.packet);
      this.buffer = this.buffer.subarray(whole.end);
    }
    this.changed();
  }

  private changed(): void {
    for (const wake of this.wake.splice(0)) wake();
  }

  private change(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () =>
          reject(
            new Error(
              `nothing within ${timeoutMs} ms; received types: ${this.received.map(({ type }) => type)}`,
            ),
          ),
        timeoutMs,
      );
      this.wake.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

function firstPacket(buffer: Buffer): { packet: RawPacket; end: number } | undefined {
  let length = 0;
  for (let index = 1; index < Math.min(buffer.length, 5); index++) {
    const byte = buffer[index] ?? 0;
    length |= (byte & 127) << (7 * (index - 1));
    if (byte > 127) continue;
    const end = index + 1 + length;
    if (buffer.length < end) return undefined;
    const first = buffer[0] ?? 0;
    return { packet: { type: first >> 4, flags: first & 15, body: buffer.subarray(index + 1, end) }, end };
  }
  return undefined;
}

/** A TCP connection with nothing sent yet. */
export function openTcp(port: number): RawConnection {
  return new RawConnection(connectTcp(port, '127.0.0.1'));
}

/** A TCP connection that has logged in. */
export async function loginTcp(
  port: number,
  options: Parameters<typeof encode.connect>[0],
): Promise<RawConnection> {
  const connection = openTcp(port);
  connection.send(encode.connect(options));
  const { body } = await connection.next(TYPE.CONNACK);
  if (body[1] !== 0) throw new Error(`CONNACK ${body[1]}`);
  return connection;
}
