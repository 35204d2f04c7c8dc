import { encodeFrame } from './frames.ts';
import { Outbox, type Outgoing } from './outbox.ts';

/** Bytes of one frame: what a node can hand out without letting others wait. */
const MAX_FRAME_BYTES = 262_144;

/**
 * The way to one other node. Its frames are numbered, so that the other end sees what is missing; a link that had to be made anew
 * (because the node was taken for dead) has a higher number.
 */
export class Link {
  readonly number: number;
  readonly to: string;
  /** When the node was last asked what it wants (epoch ms). */
  askedAt = 0;
  private readonly from: string;
  private readonly outbox: Outbox;
  private last = 0;

  constructor(
    from: string,
    to: string,
    number: number,
    maxBytes: number,
    onDropped: (count: number) => void,
  ) {
    this.from = from;
    this.to = to;
    this.number = number;
    this.outbox = new Outbox(maxBytes, onDropped);
  }

  /** Of the last frame. */
  get lastFrame(): number {
    return this.last;
  }

  get isEmpty(): boolean {
    return this.outbox.isEmpty;
  }

  send(message: Outgoing): void {
    if (!this.outbox.push(message)) this.skip();
  }

  /** Something was lost: a number without a frame tells the other end. */
  skip(): void {
    this.last++;
  }

  nextFrame(): Buffer {
    const messages = this.outbox.take(MAX_FRAME_BYTES).map(({ bytes }) => bytes);
    return encodeFrame({ from: this.from, link: this.number, number: ++this.last }, messages);
  }
}

/** What came of the frames of the other nodes. */
export class Arrivals {
  private readonly last = new Map<string, { link: number; number: number }>();

  /** Of a frame: is it the next one, one that we had, or is something missing before it? */
  frame(from: string, link: number, number: number): 'next' | 'had' | 'gap' {
    const known = this.last.get(from);
    if (known !== undefined && (link < known.link || (link === known.link && number <= known.number)))
      return 'had';
    this.last.set(from, { link, number });
    const expected = known === undefined || link > known.link ? 1 : known.number + 1;
    // A second link: the node took us for dead, and sent us nothing meanwhile
    const isAnew = known !== undefined && link > known.link;
    return number === expected && !isAnew ? 'next' : 'gap';
  }

  /** Of the last frame that a node says it has sent us: false when there is one that did not come. */
  isComplete(from: string, link: number, number: number): boolean {
    const known = this.last.get(from);
    if (known !== undefined && (link < known.link || (link === known.link && number <= known.number)))
      return true;
    this.last.set(from, { link, number });
    return known === undefined && number === 0;
  }

  forget(from: string): void {
    this.last.delete(from);
  }
}
