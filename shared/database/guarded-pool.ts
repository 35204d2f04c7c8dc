import { Socket } from 'node:net';
import { Client, type ClientConfig, type Pool, type PoolClient } from 'pg';
import { CircuitOpenError } from '../telemetry/circuits.ts';
import type { Logger } from '../telemetry/log.ts';
import { DatabaseBreaker } from './breaker.ts';

type Callback = (error: Error | undefined, client: PoolClient | undefined, release: () => void) => void;

/** Nothing has come from the server for so long, while something is wanted of it: a statement of ours takes some milliseconds. */
const SILENCE_MS = 1000;
const LOOK_EVERY_MS = 250;

/**
 * A circuit breaker before a pool of connections: while the server is away nobody gets one, or waits for one, and those that are
 * open are given up, with all that waits for an answer on them. It costs a connection's taking a look at a number, and a statement nothing.
 */
export class PoolGuard {
  /** Also those that are still connecting. */
  private readonly sockets = new Set<Socket>();
  private readonly waiting = new Set<() => void>();
  private readonly breaker: DatabaseBreaker;
  private taken = 0;
  private looking: NodeJS.Timeout | undefined;

  /** `settings`: of a connection that asks whether the server is there. */
  constructor(settings: ClientConfig, log: Logger | undefined) {
    this.breaker = new DatabaseBreaker({
      ask: (signal) => ask(settings, signal),
      onOpen: () => this.giveUp(),
      log,
    });
  }

  get state() {
    return this.breaker.state;
  }

  /** For the pool's settings: where its connections come from. */
  readonly stream = (): Socket => {
    const socket = new Socket();
    this.sockets.add(socket);
    // The pool still wants connections for those who wait no more: they would be taken up with that when the server is back
    if (this.breaker.state !== 'closed') setImmediate(() => socket.destroy(new CircuitOpenError('database')));
    return socket.once('close', () => this.sockets.delete(socket));
  };

  /** A statement has failed as it does when there is no server. */
  doubt(): void {
    this.breaker.doubt();
  }

  /** To be called once, before anything is wanted of it. */
  watch(pool: Pool): void {
    const connect = pool.connect.bind(pool) as (callback: Callback) => void;
    const guarded = (callback: Callback): void => this.take(connect, callback);
    pool.connect = guarded as Pool['connect'];
    pool.on('acquire', () => this.taken++);
    pool.on('release', () => this.taken--);
    this.looking = this.look();
  }

  stop(): void {
    clearInterval(this.looking);
    this.breaker.stop();
  }

  private take(connect: (callback: Callback) => void, callback: Callback): void {
    if (this.breaker.state !== 'closed')
      return callback(new CircuitOpenError('database'), undefined, () => undefined);
    const giveUp = () => callback(new CircuitOpenError('database'), undefined, () => undefined);
    this.waiting.add(giveUp);
    connect((error, client, release) => {
      if (this.waiting.delete(giveUp)) callback(error, client, release);
      else client?.release();
    });
  }

  /** Asks when the server has gone silent. Its clock starts with what is wanted; bytes of any connection are a sign of life. */
  private look(): NodeJS.Timeout {
    let heard = 0;
    let heardAt = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      const bytes = this.bytesRead();
      if (bytes !== heard || this.taken + this.waiting.size === 0) {
        heard = bytes;
        heardAt = now;
      } else if (now - heardAt >= SILENCE_MS) {
        heardAt = now;
        this.breaker.doubt();
      }
    }, LOOK_EVERY_MS);
    return timer.unref();
  }

  private bytesRead(): number {
    let bytes = 0;
    for (const socket of this.sockets) bytes += socket.bytesRead;
    return bytes;
  }

  private giveUp(): void {
    for (const socket of this.sockets) socket.destroy();
    for (const giveUp of this.waiting) {
      this.waiting.delete(giveUp);
      giveUp();
    }
  }
}

/** On a connection of its own: those of the pool may be lost while the server is there. */
async function ask(settings: ClientConfig, signal: AbortSignal): Promise<void> {
  const socket = new Socket();
  const client = new Client({ ...settings, stream: () => socket });
  // What comes after the answer is nobody's business
  client.on('error', () => undefined);
  const stop = () => socket.destroy();
  signal.addEventListener('abort', stop);
  try {
    await client.connect();
    // A pooler may stand before a server that is away
    await client.query('select 1');
  } finally {
    signal.removeEventListener('abort', stop);
    client.end().catch(() => undefined);
    socket.unref();
  }
}
