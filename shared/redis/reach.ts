import type { Logger } from '../telemetry/log.ts';

const TRY_AGAIN_MS = 1000;

export type ReachOptions = {
  /** What the log calls it. */
  purpose: string;
  /** Called again and again while Redis is away, until it resolves: brings Redis up to what has happened meanwhile, and calls `found`. */
  reconcile(): Promise<void>;
  log: Logger;
};

/**
 * Whether Redis answers, as one of its users sees it. Once a command has failed nobody waits for another one: everything is decided
 * without Redis, until it is back and knows what was.
 */
export class Reach {
  private away = false;
  private stopped = false;
  private timer: NodeJS.Timeout | undefined;
  private readonly options: ReachOptions;

  constructor(options: ReachOptions) {
    this.options = options;
  }

  get isThere(): boolean {
    return !this.away;
  }

  /** A command has failed, for whatever reason: what it was to do may be done, or not. */
  lost(error: unknown): void {
    if (this.away || this.stopped) return;
    this.away = true;
    this.options.log.warn({ err: error, purpose: this.options.purpose }, 'going on without Redis');
    this.tryLater();
  }

  /** Redis is back, and knows of everything. */
  found(): void {
    this.away = false;
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private tryLater(): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.options.reconcile().then(
        () => this.options.log.info({ purpose: this.options.purpose }, 'Redis is back, and up to date'),
        (error: unknown) => {
          this.options.log.debug({ err: error, purpose: this.options.purpose }, 'still without Redis');
          this.tryLater();
        },
      );
    }, TRY_AGAIN_MS);
    this.timer.unref();
  }
}
