/** Lines of one kind in one window that are written; and of those that name an address, from each. */
const MAX_LINES = 30;
const MAX_LINES_AN_ADDRESS = 5;
const WINDOW_MS = 60_000;
/** Kinds that are told apart: messages are constants, but for those of errors that were logged as they are. */
const MAX_KINDS = 500;
/** Addresses that are told apart in one window of one kind. */
const MAX_ADDRESSES = 1000;

export type Line = {
  message: string;
  /** Of whoever caused it. */
  remoteAddress: string | undefined;
  /** Writes another line of the same level. */
  write(fields: object, message: string): void;
};

type Kind = {
  until: number;
  lines: number;
  held: number;
  addresses: Map<string, number>;
  write: Line['write'];
  timer: NodeJS.Timeout | undefined;
};

/**
 * Keeps the log from filling the disk: of lines that come over and over only so many a minute are written, and then one that says how
 * many there were more. Whoever fails a thousand times a second hides neither itself nor what others do.
 */
export class Repeats {
  private readonly kinds = new Map<string, Kind>();
  private readonly windowMs: number;
  private isFlushedAtExit = false;

  constructor(windowMs = WINDOW_MS) {
    this.windowMs = windowMs;
  }

  /** Whether this one is to be written. */
  admits({ message, remoteAddress, write }: Line): boolean {
    const kind = this.kindOf(message, write);
    kind.lines++;
    let isTooMany = kind.lines - kind.held > MAX_LINES;
    if (remoteAddress !== undefined) {
      const known = kind.addresses.get(remoteAddress) ?? 0;
      if (known > 0 || kind.addresses.size < MAX_ADDRESSES) kind.addresses.set(remoteAddress, known + 1);
      isTooMany ||= known >= MAX_LINES_AN_ADDRESS;
    }
    if (!isTooMany) return true;
    kind.held++;
    this.tellLater(message, kind);
    return false;
  }

  /** Tells of what was held back. */
  flush(): void {
    for (const [message, kind] of this.kinds) this.end(message, kind);
  }

  private kindOf(message: string, write: Line['write']): Kind {
    const now = performance.now();
    const name = this.kinds.has(message) || this.kinds.size < MAX_KINDS ? message : '';
    const known = this.kinds.get(name);
    if (known !== undefined && now < known.until) return known;
    if (known !== undefined) this.end(name, known);
    const kind: Kind = {
      until: now + this.windowMs,
      lines: 0,
      held: 0,
      addresses: new Map(),
      write,
      timer: undefined,
    };
    this.kinds.set(name, kind);
    return kind;
  }

  private tellLater(message: string, kind: Kind): void {
    kind.timer ??= setTimeout(
      () => this.end(message, kind),
      Math.max(0, kind.until - performance.now()),
    ).unref();
    if (this.isFlushedAtExit) return;
    this.isFlushedAtExit = true;
    // Before the log's own listener, which writes what is left of it
    process.prependOnceListener('exit', () => this.flush());
  }

  private end(message: string, kind: Kind): void {
    clearTimeout(kind.timer);
    if (this.kinds.get(message) === kind) this.kinds.delete(message);
    if (kind.held === 0) return;
    const { held, addresses } = kind;
    kind.held = 0;
    const [mostFrom, lines] = [...addresses].reduce<[string | undefined, number]>(
      (most, one) => (one[1] > most[1] ? one : most),
      [undefined, 0],
    );
    const from = mostFrom === undefined ? {} : { addresses: addresses.size, mostFrom, linesFromIt: lines };
    kind.write({ of: message, more: held, withinMs: this.windowMs, ...from }, 'more of the same');
  }
}
