import type { LoggedPosition, Outcome } from './index.ts';

/**
 * Writes positions to the database in one transaction. Rejects only when the database can't be had for now: the
 * caller tries the same rows again.
 */
export type WritePositions = (positions: readonly LoggedPosition[]) => Promise<readonly Outcome[]>;

export type GroupCommitEvents = {
  committed?(positions: readonly LoggedPosition[]): void;
  retrying?(error: unknown, attempt: number, positions: number): void;
};

type Waiting = {
  positions: readonly LoggedPosition[];
  resolve(outcomes: readonly Outcome[]): void;
  reject(error: Error): void;
};

/** More rows in a statement gain nothing and make the first wait. */
const MAX_ROWS = 1000;
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 2000;

/**
 * Group commit. While one transaction is under way, all that arrives waits; the next takes it all, so batches grow by
 * themselves under load and a lone position waits for nothing. One at a time: what was first admitted is first
 * acknowledged. While the database is away, the same rows are tried again until it is back: they are the same positions, so
 * a commit whose answer got lost does no harm.
 */
export class GroupCommit {
  private readonly queue: Waiting[] = [];
  private queued = 0;
  private running = false;
  private current: readonly Waiting[] = [];
  private closed = false;
  private idle: (() => void)[] = [];
  private readonly write: WritePositions;
  private readonly events: GroupCommitEvents;

  constructor(write: WritePositions, events: GroupCommitEvents = {}) {
    this.write = write;
    this.events = events;
  }

  /** Positions not yet committed. */
  get size(): number {
    return this.queued;
  }

  /** Time of receipt (epoch ms) of the oldest of them. */
  get oldest(): number | undefined {
    return (this.current[0] ?? this.queue[0])?.positions[0]?.receivedAt;
  }

  add(positions: readonly LoggedPosition[]): Promise<readonly Outcome[]> {
    if (positions.length === 0) return Promise.resolve([]);
    if (this.closed) return Promise.reject(new Error('the position log is closed'));
    this.queued += positions.length;
    return new Promise((resolve, reject) => {
      this.queue.push({ positions, resolve, reject });
      if (!this.running) void this.run();
    });
  }

  /** Waits for all that was added, at most this long (ms). What is not committed by then is given up, also what is under way. */
  async close(timeoutMs: number): Promise<void> {
    if (this.running) {
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([
        new Promise<void>((resolve) => this.idle.push(resolve)),
        new Promise<void>((resolve) => {
          timer = setTimeout(resolve, timeoutMs);
        }),
      ]);
      clearTimeout(timer);
    }
    this.closed = true;
    const queue = this.queue.splice(0);
    for (const { positions } of queue) this.queued -= positions.length;
    for (const { reject } of [...this.current, ...queue]) reject(new Error('the position log is closed'));
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.queue.length > 0) await this.commit(this.takeBatch());
    this.running = false;
    for (const resolve of this.idle.splice(0)) resolve();
  }

  private takeBatch(): Waiting[] {
    let rows = 0;
    let end = 0;
    while (
      end < this.queue.length &&
      (end === 0 || rows + (this.queue[end]?.positions.length ?? 0) <= MAX_ROWS)
    ) {
      rows += this.queue[end]?.positions.length ?? 0;
      end++;
    }
    return this.queue.splice(0, end);
  }

  private async commit(batch: readonly Waiting[]): Promise<void> {
    const positions = batch.flatMap((waiting) => waiting.positions);
    this.current = batch;
    const outcomes = await this.writeUntilDone(positions);
    this.current = [];
    this.queued -= positions.length;
    if (outcomes === undefined) {
      for (const waiting of batch) waiting.reject(new Error('the position log is closed'));
      return;
    }
    this.events.committed?.(positions);
    let offset = 0;
    for (const waiting of batch) {
      waiting.resolve(outcomes.slice(offset, offset + waiting.positions.length));
      offset += waiting.positions.length;
    }
  }

  /** undefined: closed before the database came back. */
  private async writeUntilDone(
    positions: readonly LoggedPosition[],
  ): Promise<readonly Outcome[] | undefined> {
    for (let attempt = 1; !this.closed; attempt++) {
      try {
        return await this.write(positions);
      } catch (error) {
        this.events.retrying?.(error, attempt, positions.length);
        await new Promise((resolve) =>
          setTimeout(resolve, Math.min(FIRST_RETRY_MS * 2 ** (attempt - 1), MAX_RETRY_MS)),
        );
      }
    }
    return undefined;
  }
}
