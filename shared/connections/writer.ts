import { isIP } from 'node:net';
import type { Queries } from '../database/index.ts';
import type { Liveness } from '../liveness/index.ts';
import type { Logger } from '../telemetry/log.ts';
import type { CloseReason, Connection, ConnectionLog } from './index.ts';
import {
  brokersWithConnections,
  type Closed,
  closeConnections,
  closeForgotten,
  insertConnections,
  reopenConnections,
  touchConnections,
} from './sql/write-connections.ts';

/** A storm of thousands of connections becomes a few statements. */
const FLUSH_EVERY_MS = 200;
/** Who is active is asked by people, not by programs. */
const TOUCH_EVERY_MS = 5000;
/** With the time after which a process counts as gone (12 s) less than the 30 s that its connections may be listed. */
const LOOK_EVERY_MS = 8000;
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

export type ConnectionWriterOptions = {
  queries: Queries;
  /** Its process id is what the rows of this process are known by. */
  liveness: Liveness;
  /** ms between two looks for rows of processes that are gone. */
  lookEveryMs?: number;
  log: Logger;
};

/** Keeps connection_sessions, in batches: the rows of its own process, and those of processes that can't any more. */
export class ConnectionWriter implements ConnectionLog {
  private opening: Connection[] = [];
  private closing: Closed[] = [];
  private touched = new Map<string, number>();
  private touchedAt = Date.now();
  private flushing: Promise<void> = Promise.resolve();
  private isReturned = false;
  private lookedAt = Date.now();
  private readonly timer: NodeJS.Timeout;
  private readonly queries: Queries;
  private readonly liveness: Liveness;
  private readonly lookEveryMs: number;
  private readonly log: Logger;

  private constructor({ queries, liveness, lookEveryMs = LOOK_EVERY_MS, log }: ConnectionWriterOptions) {
    this.queries = queries;
    this.liveness = liveness;
    this.lookEveryMs = lookEveryMs;
    this.log = log;
    this.timer = setInterval(() => {
      this.flushing = this.flushing.then(() => this.flush()).then(() => this.look());
    }, FLUSH_EVERY_MS);
    liveness.onReturned(() => {
      this.isReturned = true;
    });
  }

  static async start(options: ConnectionWriterOptions): Promise<ConnectionWriter> {
    const writer = new ConnectionWriter(options);
    // In one process these are of a crash before this start, and never looked at again
    if (!options.liveness.hasOthers) await writer.closeOfGone();
    return writer;
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
    const { opening, closing, isReturned } = this;
    this.isReturned = false;
    this.opening = [];
    this.closing = [];
    try {
      if (opening.length > 0) await insertConnections(this.queries, this.liveness.processId, opening);
      if (Date.now() - this.touchedAt >= TOUCH_EVERY_MS && this.touched.size > 0) {
        const { touched } = this;
        this.touched = new Map();
        this.touchedAt = Date.now();
        await touchConnections(this.queries, touched);
      }
      if (closing.length > 0) await closeConnections(this.queries, closing);
      if (isReturned) await reopenConnections(this.queries, this.liveness.processId);
    } catch (error) {
      this.isReturned ||= isReturned;
      this.opening = [...opening, ...this.opening].slice(0, MAX_WAITING);
      this.closing = [...closing, ...this.closing].slice(0, MAX_WAITING);
      this.log.warn({ err: error }, 'connections could not be recorded; trying again');
    }
  }

  private async look(): Promise<void> {
    if (!this.liveness.hasOthers || Date.now() - this.lookedAt < this.lookEveryMs) return;
    this.lookedAt = Date.now();
    try {
      await this.closeOfGone();
    } catch (error) {
      this.log.warn({ err: error }, 'connections of lost brokers could not be closed; trying again');
    }
  }

  private async closeOfGone(): Promise<void> {
    const gone = await this.liveness.gone(await brokersWithConnections(this.queries));
    if (gone.length === 0) return;
    const reason = this.liveness.hasOthers ? 'BROKER_LOST' : 'LOST';
    const connections = await closeForgotten(this.queries, gone, reason);
    if (connections > 0) this.log.info({ brokers: gone, connections }, 'connections of lost brokers closed');
  }
}
