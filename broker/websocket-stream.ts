import { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';

/** How long a peer may take to answer a close before the socket is cut. */
const CLOSE_TIMEOUT_MS = 1000;

type Chunk = { chunk: Buffer };

/**
 * A WebSocket as a byte stream. MQTT packets are written in pieces; what was corked together goes out as one frame. (ws'
 * own stream sends a frame for each piece.) A text frame ends the connection (MQTT 3.1.1, 6.0.0-1).
 */
export class WebSocketStream extends Duplex {
  private readonly socket: WebSocket;
  private probing: NodeJS.Timeout | undefined;

  constructor(socket: WebSocket) {
    super();
    this.socket = socket;
    socket.on('message', (data: Buffer, isBinary) => {
      if (!isBinary) return this.destroy(new Error('text frame on an MQTT connection'));
      if (!this.push(data)) socket.pause();
    });
    // One after another, not all that it asks for (RFC 6455, 5.5.3): it may be one that only asks, and reads no answer
    socket.on('ping', (data) => {
      if (socket.bufferedAmount === 0) socket.pong(data);
    });
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

  private send(data: Buffer, done: (error?: Error | null) => void): void {
    // Nobody is there to read it. That is no error: it would take what is still to be read with it
    if (this.socket.readyState !== this.socket.OPEN) return done();
    this.socket.send(data, { binary: true }, done);
  }
}
