import type { Socket } from 'node:net';

/*
 * The client's side of RFC 6455 with the least work: its frames are masked with zeros, which leaves the payload as it is.
 */

const BINARY = 0x82;
const CLOSE = 8;
const PING = 9;

/** A payload in one binary frame. */
export function webSocketFrame(payload: Buffer): Buffer {
  const { length } = payload;
  const header =
    length < 126
      ? Buffer.from([BINARY, 0x80 | length, 0, 0, 0, 0])
      : Buffer.from([BINARY, 0x80 | 126, length >> 8, length & 255, 0, 0, 0, 0]);
  return Buffer.concat([header, payload]);
}

/** Asks for the upgrade; resolves with what came behind the answer. */
export async function upgrade(socket: Socket, host: string): Promise<Buffer> {
  socket.write(
    `GET /mqtt HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
  );
  let answer = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const onData = (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk]);
      const end = answer.indexOf('\r\n\r\n');
      if (end === -1) return;
      socket.off('data', onData);
      socket.off('close', onClose);
      if (answer.toString('latin1', 9, 12) === '101') resolve(answer.subarray(end + 4));
      else reject(new Error(`no upgrade: ${answer.toString('latin1', 0, 80)}`));
    };
    const onClose = () => reject(new Error('closed before the upgrade'));
    socket.on('data', onData);
    socket.once('close', onClose);
  });
}

/** Takes the payloads out of a server's frames, which are not masked. */
export class FrameReader {
  private rest: Buffer | undefined;
  private readonly onPayload: (payload: Buffer) => void;
  private readonly socket: Socket;

  constructor(socket: Socket, onPayload: (payload: Buffer) => void) {
    this.socket = socket;
    this.onPayload = onPayload;
  }

  read(chunk: Buffer): void {
    let bytes = this.rest === undefined ? chunk : Buffer.concat([this.rest, chunk]);
    for (;;) {
      const frame = frameIn(bytes);
      if (frame === undefined) break;
      const payload = bytes.subarray(frame.start, frame.end);
      if (frame.opcode === CLOSE) this.socket.destroy();
      else if (frame.opcode === PING) this.socket.write(Buffer.from([0x8a, 0x80, 0, 0, 0, 0]));
      else this.onPayload(payload);
      bytes = bytes.subarray(frame.end);
    }
    this.rest = bytes.length === 0 ? undefined : bytes;
  }
}

function frameIn(bytes: Buffer): { opcode: number; start: number; end: number } | undefined {
  if (bytes.length < 2) return undefined;
  const opcode = (bytes[0] as number) & 15;
  const short = (bytes[1] as number) & 127;
  const start = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < start) return undefined;
  const length =
    short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  return bytes.length < start + length ? undefined : { opcode, start, end: start + length };
}
