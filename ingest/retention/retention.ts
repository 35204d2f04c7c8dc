import { type RetentionOptions, retireDays } from './retire-days.ts';

const EVERY_MS = 3_600_000;
const BUSY_RETRY_MS = 60_000;

/** Takes old days away, from time to time. */
export class Retention {
  private readonly ending = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private current: Promise<void> = Promise.resolve();
  private readonly options: RetentionOptions;
  private readonly everyMs: number;

  /** Looks at once, and then every `everyMs`; where another process is at work sooner, for it may die. */
  constructor(options: RetentionOptions, everyMs = EVERY_MS) {
    this.options = options;
    this.everyMs = everyMs;
    this.look();
  }

  /** Ends within a page; a day that is under way stays as it is. */
  async stop(): Promise<void> {
    this.ending.abort();
    clearTimeout(this.timer);
    await this.current;
  }

  private look(): void {
    const { signal } = this.ending;
    this.current = retireDays(this.options, signal).then((isDone) => {
      if (signal.aborted) return;
      this.timer = setTimeout(
        () => this.look(),
        isDone ? this.everyMs : Math.min(BUSY_RETRY_MS, this.everyMs),
      );
      this.timer.unref();
    });
  }
}
