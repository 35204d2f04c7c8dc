import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** RFC 6455, 5.2. */
export const OPCODE = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 };

type FrameOptions = {
  opcode?: number;
  fin?: boolean;
  /** The three reserved bits. */
  reserved?: number;
  masked?: boolean;
  /** The length that it says, if not its own. */
  length?: bigint;
};

/** A frame of a client, byte by byte. */
export function frame(
  payload: Buffer,
  { opcode = OPCODE.BINARY, fin = true, reserved = 0, masked = true, length }: FrameOptions = {},
): Buffer {
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  const said = length ?? BigInt(payload.length);
  const mask = randomBytes(4);
  const maskBit = masked ? 0x80 : 0;
  const head =
    said < 126n
      ? Buffer.from([first, maskBit | Number(said)])
      : said < 65_536n
        ? Buffer.from([first, maskBit | 126, Number(said) >> 8, Number(said) & 255])
        : Buffer.concat([Buffer.from([first, maskBit | 127]), uint64(said)]);
  if (!masked) return Buffer.concat([head, payload]);
  return Buffer.concat([head, mask, Buffer.from(payload.map((byte, at) => byte ^ (mask[at % 4] ?? 0)))]);
}

function uint64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

/** The request that asks for a WebSocket; fields that are undefined are left out. */
export function handshake(
  fields: Record<string, string | undefined> = {},
  firstLine = 'GET /mqtt HTTP/1.1',
): string {
  const all: Record<string, string | undefined> = {
    Host: '127.0.0.1',
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
    'Sec-WebSocket-Protocol': 'mqtt',
    ...fields,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== undefined);
  return `${[firstLine, ...lines.map(([name, value]) => `${name}: ${value}`)].join('\r\n')}\r\n\r\n`;
}

/** A TCP connection to the WebSocket port, on which a test decides about every byte. */
export class RawWebSocket {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  private received = Buffer.alloc(0);
  private wake: () => void = () => undefined;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    // A reset is one of the ways to be closed
    this.socket.on('error', () => undefined);
    this.socket.on('data', (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.wake();
    });
    this.closed = new Promise((resolve) =>
      this.socket.once('close', () => {
        resolve();
        this.wake();
      }),
    );
  }

  /** One whose handshake is done. */
  static async open(port: number): Promise<RawWebSocket> {
    const socket = new RawWebSocket(port);
    socket.send(handshake());
    await socket.until(({ text }) => text.includes('\r\n\r\n'));
    if (!socket.text.startsWith('HTTP/1.1 101 ')) throw new Error(socket.text);
    return socket;
  }

  get bytes(): Buffer {
    return this.received;
  }

  get text(): string {
    return this.received.toString('latin1');
  }

  send(...parts: (Buffer | string)[]): void {
    this.socket.write(Buffer.concat(parts.map((part) => Buffer.from(part))));
  }

  /** Until what has come fits, or the connection is closed. */
  async until(fits: (socket: RawWebSocket) => boolean): Promise<void> {
    while (!fits(this) && !this.socket.destroyed)
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
  }

  end(): void {
    this.socket.destroy();
  }
}
