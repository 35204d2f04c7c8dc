import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import type { CloseReason, Connection, ConnectionLog } from '../shared/connections/index.ts';
import type { Queries } from '../shared/database/index.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import {
  type Closed,
  closeConnections,
  closeForgotten,
  insertConnections,
  touchConnections,
} from './sql/write-connections.ts';

/** A storm of thousands of connections becomes a few statements. */
const FLUSH_EVERY_MS = 200;
/** Who is active is asked by people, not by programs. */
const TOUCH_EVERY_MS = 5000;
/** With the database away no more than this is remembered: what these rows tell is worth less than the memory. */
const MAX_WAITING = 50_000;

/**
 * As the table takes it. One row that it does not take would keep its whole batch out, for ever: behind a proxy the address is text from
 * a header, an address of a link has a zone that `inet` does not know, and text holds no NUL.
 */
function storable(connection: Connection): Connection {
  const address = connection.remoteAddress?.replace(/%.*$/, '') ?? '';
  return {
    ...connection,
    clientId: connection.clientId.replaceAll('\0', '\uFFFD'),
    remoteAddress: isIP(address) === 0 ? undefined : address,
  };
}

/** Keeps connection_sessions, in batches. */
export class ConnectionWriter implements ConnectionLog {
  private opening: Connection[] = [];
  private closing: Closed[] = [];
  private touched = new Map<string, number>();
  private touchedAt = Date.now();
  private flushing: Promise<void> = Promise.resolve();
  private readonly brokerId = randomUUID();
  private readonly timer: NodeJS.Timeout;
  private readonly queries: Queries;
  private readonly log: Logger;

  private constructor(queries: Queries, log: Logger) {
    this.queries = queries;
    this.log = log;
    this.timer = setInterval(() => {
      this.flushing = this.flushing.then(() => this.flush());
    }, FLUSH_EVERY_MS);
  }

  static async start(queries: Queries, log: Logger): Promise<ConnectionWriter> {
    await closeForgotten(queries);
    return new ConnectionWriter(queries, log);
  }

  opened(connection: Connection): void {
    if (this.opening.length < MAX_WAITING) this.opening.push(storable(connection));
  }

  active(id: string, at: number): void {
    this.touched.set(id, at);
  }

  closed(id: string, at: number, reason: CloseReason): void {
    this.touched.delete(id);
    if (this.closing.length < MAX_WAITING) this.closing.push({ id, at, reason });
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.flushing;
    await this.flush();
  }

  private async flush(): Promise<void> {
    const { opening, closing } = this;
    this.opening = [];
    this.closing = [];
    try {
      if (opening.length > 0) await insertConnections(this.queries, this.brokerId, opening);
      if (Date.now() - this.touchedAt >= TOUCH_EVERY_MS && this.touched.size > 0) {
        const { touched } = this;
        this.touched = new Map();
        this.touchedAt = Date.now();
        await touchConnections(this.queries, touched);
      }
      if (closing.length > 0) await closeConnections(this.queries, closing);
    } catch (error) {
      this.opening = [...opening, ...this.opening].slice(0, MAX_WAITING);
      this.closing = [...closing, ...this.closing].slice(0, MAX_WAITING);
      this.log.warn({ err: error }, 'connections could not be recorded; trying again');
    }
  }
}
