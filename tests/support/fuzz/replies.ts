import { TYPE } from '../raw-mqtt.ts';
import { BUSY_MS } from '../redis.ts';
import type { Pipe } from './pipe.ts';

/** What comes back: only that it is whole packets, and how many answers to PINGREQ are among them. */
export class Replies {
  private readonly pipe: Pipe;
  private rest: Buffer = Buffer.alloc(0);
  private returnCode: number | undefined;
  private pingCount = 0;
  private wake: () => void = () => undefined;

  constructor(pipe: Pipe) {
    this.pipe = pipe;
    pipe.onData((chunk) => this.read(chunk));
    pipe.closed.then(() => this.wake());
  }

  async isLetIn(): Promise<boolean> {
    const end = Date.now() + 3 * BUSY_MS;
    while (this.returnCode === undefined && this.pipe.isOpen()) {
      await this.change(3 * BUSY_MS);
      if (Date.now() > end) throw new Error('a CONNECT is never answered');
    }
    return this.returnCode === 0;
  }

  /** Waits for so many answers, the end of the connection, or `patienceMs` without a new one. @returns how many came */
  async pings(wanted: number, patienceMs: number): Promise<number> {
    while (this.pingCount < wanted && this.pipe.isOpen()) {
      const before = this.pingCount;
      await this.change(patienceMs);
      if (this.pingCount === before) break;
    }
    return Math.min(this.pingCount, wanted);
  }

  /** Until something comes, or it is closed, or time is up. */
  private change(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private read(chunk: Buffer): void {
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    let at = 0;
    for (let end = endOf(this.rest, at); end !== undefined; end = endOf(this.rest, at)) {
      const type = (this.rest[at] ?? 0) >> 4;
      if (type === TYPE.PINGRESP) this.pingCount++;
      if (type === TYPE.CONNACK) this.returnCode ??= this.rest[at + 3];
      at = end;
    }
    this.rest = this.rest.subarray(at);
    this.wake();
  }
}

/** Where the packet that begins at `start` ends; undefined: it is not all there. */
function endOf(bytes: Buffer, start: number): number | undefined {
  let length = 0;
  for (let index = 1; index < 5; index++) {
    const byte = bytes[start + index];
    if (byte === undefined) return undefined;
    length |= (byte & 127) << (7 * (index - 1));
    if (byte < 128) {
      const end = start + index + 1 + length;
      return end <= bytes.length ? end : undefined;
    }
  }
  throw new Error('the broker sent a remaining length of 5 bytes');
}
