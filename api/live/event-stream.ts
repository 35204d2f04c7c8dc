import type { Response } from 'express';

/** Often enough for proxies that cut a silent connection after 30 s, and to notice a client that vanished. */
const HEARTBEAT_MS = 15_000;
/** Bytes waiting for a client from which on positions are left out: a newer one replaces them. */
const SLOW_BYTES = 65_536;
/** Bytes from which on it is given up: it can come back and ask for what it missed. */
const MAX_BYTES = 1_048_576;

/** Server-sent events (HTML Standard, 9.2) to one client, with a bound on what waits for it. */
export class EventStream {
  private readonly response: Response;
  private readonly heartbeat: NodeJS.Timeout;

  constructor(response: Response) {
    this.response = response;
    response.status(200).set({
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store, no-transform',
      // nginx would hold events back
      'X-Accel-Buffering': 'no',
    });
    response.flushHeaders();
    this.heartbeat = setInterval(() => this.write(':\n\n'), HEARTBEAT_MS);
  }

  /** An event that must not be lost. `id` comes back as Last-Event-ID. */
  send(event: string, data: string, id: number): void {
    this.write(`event: ${event}\nid: ${id}\ndata: ${data}\n\n`);
  }

  /** An event that a newer one replaces. @returns false: left out */
  sendIfFast(event: string, data: string): boolean {
    if (this.response.writableLength > SLOW_BYTES) return false;
    this.write(`event: ${event}\ndata: ${data}\n\n`);
    return true;
  }

  end(): void {
    clearInterval(this.heartbeat);
    this.response.end();
  }

  private write(text: string): void {
    if (this.response.writableEnded || this.response.destroyed) return;
    if (this.response.writableLength > MAX_BYTES) this.response.destroy();
    else this.response.write(text);
  }
}
