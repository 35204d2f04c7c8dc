import { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { COMPRESS_FROM } from './compression.ts';

/** How long a peer may take to answer a close before the socket is cut. */
const CLOSE_TIMEOUT_MS = 1000;

type Chunk = { chunk: Buffer };

/**
 * A WebSocket as a byte stream. MQTT packets are written in pieces; what was corked together goes out as one frame. (ws'
 * own stream sends a frame for each piece.) A text frame ends the connection (MQTT 3.1.1, 6.0.0-1).
 */
export class WebSocketStream extends Duplex {
  private readonly socket: WebSocket;
  private readonly compressFrom: number;
  private probing: NodeJS.Timeout | undefined;
  private isAnswering = false;
  private unanswered: Buffer | undefined;

  /** `compressFrom`: bytes of a frame from which on it is compressed, where client and server have agreed to. */
  constructor(socket: WebSocket, compressFrom = COMPRESS_FROM) {
    super();
    this.socket = socket;
    this.compressFrom = compressFrom;
    socket.on('message', (data: Buffer, isBinary) => {
      if (!isBinary) return this.destroy(new Error('text frame on an MQTT connection'));
      if (!this.push(data)) socket.pause();
    });
    socket.on('ping', (data: Buffer) => this.answer(data));
    socket.on('error', (error) => this.destroy(error));
    // Not the end yet: what came before, perhaps a DISCONNECT, may still wait to be read
    socket.on('close', () => this.push(null));
  }

  /** Ends the connection of a peer that does not answer a ping within `everyMs`, nor sends anything else. */
  probe(everyMs: number): void {
    let isThere = true;
    for (const sign of ['pong', 'message', 'ping']) this.socket.on(sign, () => (isThere = true));
    this.probing = setInterval(() => {
      // Nothing is read just now: its answer may stand there
      if (this.socket.isPaused) return;
      if (!isThere) return void this.destroy(new Error('no answer to a ping'));
      isThere = false;
      if (this.socket.readyState === this.socket.OPEN) this.socket.ping();
    }, everyMs).unref();
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.send(chunk, done);
  }

  override _writev(chunks: Chunk[], done: (error?: Error | null) => void): void {
    this.send(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.socket.close();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearInterval(this.probing);
    if (error !== null) this.socket.terminate();
    else if (this.socket.readyState !== this.socket.CLOSED) {
      this.socket.close();
      const timer = setTimeout(() => this.socket.terminate(), CLOSE_TIMEOUT_MS);
      this.socket.once('close', () => clearTimeout(timer));
    }
    done(error);
  }

  /**
   * One pong after another, and of the pings that come meanwhile only to the newest (RFC 6455, 5.5.3): a peer that pings and reads no
   * answer would fill our memory.
   */
  private answer(ping: Buffer): void {
    if (this.isAnswering) this.unanswered = ping;
    if (this.isAnswering || this.socket.readyState !== this.socket.OPEN) return;
    this.isAnswering = true;
    this.socket.pong(ping, false, () => {
      this.isAnswering = false;
      const next = this.unanswered;
      this.unanswered = undefined;
      if (next !== undefined) this.answer(next);
    });
  }

  private send(data: Buffer, done: (error?: Error | null) => void): void {
    // Nobody is there to read it. That is no error: it would take what is still to be read with it
    if (this.socket.readyState !== this.socket.OPEN) return done();
    this.socket.send(data, { binary: true, compress: data.length >= this.compressFrom }, done);
  }
}
