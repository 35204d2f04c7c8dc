/** A message on its way to other nodes. `stream`: the next one will take its place, it may be left out. */
export type Outgoing = { topic: string; bytes: Buffer; stream: boolean };

/** Streams have half of the room, so that they never push out what may not be missed. */
const STREAM_SHARE = 0.5;
/** Streams are dropped many at once: to look through a full box for each message would cost more than it sends. */
const WORTH_DROPPING = 0.125;

/** Messages that wait for Redis, bounded in bytes. */
export class Outbox {
  private waiting: Outgoing[] = [];
  private first = 0;
  private bytes = 0;
  private streamBytes = 0;
  private readonly maxBytes: number;
  private readonly onDropped: (count: number) => void;

  constructor(maxBytes: number, onDropped: (count: number) => void) {
    this.maxBytes = maxBytes;
    this.onDropped = onDropped;
  }

  get isEmpty(): boolean {
    return this.first === this.waiting.length;
  }

  /** False: there was no room, and something was dropped that is no stream. */
  push(message: Outgoing): boolean {
    const { length } = message.bytes;
    if (length > this.maxBytes) {
      this.onDropped(1);
      return message.stream;
    }
    if (message.stream && this.bytes + length > this.maxBytes * STREAM_SHARE) {
      if (this.streamBytes < this.maxBytes * WORTH_DROPPING) {
        this.onDropped(1);
        return true;
      }
      this.dropStreams();
    }
    if (this.bytes + length > this.maxBytes && this.streamBytes > 0) this.dropStreams();
    let lost = 0;
    while (this.bytes + length > this.maxBytes) {
      this.shift();
      lost++;
    }
    this.waiting.push(message);
    this.bytes += length;
    if (message.stream) this.streamBytes += length;
    if (lost > 0) this.onDropped(lost);
    return lost === 0;
  }

  /** The oldest, up to this many bytes (but at least one). */
  take(maxBytes: number): Outgoing[] {
    const taken: Outgoing[] = [];
    let bytes = 0;
    for (;;) {
      const next = this.waiting[this.first];
      if (next === undefined || (taken.length > 0 && bytes + next.bytes.length > maxBytes)) return taken;
      bytes += next.bytes.length;
      taken.push(next);
      this.shift();
    }
  }

  private shift(): void {
    const message = this.waiting[this.first++];
    if (message === undefined) return;
    this.bytes -= message.bytes.length;
    if (message.stream) this.streamBytes -= message.bytes.length;
    if (this.first === this.waiting.length) {
      this.waiting = [];
      this.first = 0;
    } else if (this.first > 1024 && this.first * 2 > this.waiting.length) {
      this.waiting = this.waiting.slice(this.first);
      this.first = 0;
    }
  }

  private dropStreams(): void {
    const before = this.waiting.length - this.first;
    this.waiting = this.waiting.slice(this.first).filter(({ stream }) => !stream);
    this.first = 0;
    this.bytes -= this.streamBytes;
    this.streamBytes = 0;
    this.onDropped(before - this.waiting.length);
  }
}
