import {
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
  TaskCancelledError,
  TimeoutStrategy,
  timeout,
} from 'cockatiel';
import type { CircuitState } from '../telemetry/circuits.ts';
import { circuitState } from '../telemetry/circuits.ts';
import type { Logger } from '../telemetry/log.ts';
import { isUnreachable } from './unreachable.ts';

/** A server that is there says so in milliseconds; one that takes longer is none to wait for. */
const ANSWER_MS = 2000;
/** A timer that comes so late tells that it was this process that stood still. */
const FROZEN_MS = 500;
const FIRST_RETRY_MS = 200;
const MAX_RETRY_MS = 1000;
/** Each process asks at a time of its own: a server that is just coming back has enough to do. */
const JITTER = 0.3;

/** PostgreSQL's errors, appendix A: 53 insufficient resources. It is there to say so. */
const hasNoRoom = ({ code }: Error & { code?: unknown }) => typeof code === 'string' && /^53...$/.test(code);

const isAway = (error: Error) =>
  error instanceof TaskCancelledError || (isUnreachable(error) && !hasNoRoom(error));

export type BreakerOptions = {
  /** Asks the server whether it is there, in a way of its own. Rejects with why it could not. */
  ask(signal: AbortSignal): Promise<void>;
  /** Nobody is to wait for it any longer. */
  onOpen(): void;
  log: Logger | undefined;
};

/**
 * Whether there is a server. A statement that failed, or waits for too long, proves nothing: it may be slow, or its connection alone be
 * lost. So at a doubt the server is asked by itself. When it does not answer, the circuit is open and all that is wanted of it fails at
 * once; it is asked again and again, and closed with the first answer. No statement of a user is spent on trying.
 */
export class DatabaseBreaker {
  private readonly policy = circuitBreaker(handleWhen(isAway), {
    // When it is asked again is for the timer here; this one goes by the time of day, which may be set
    halfOpenAfter: Number.NEGATIVE_INFINITY,
    breaker: new ConsecutiveBreaker(1),
  });
  private readonly inTime = timeout(ANSWER_MS, TimeoutStrategy.Aggressive);
  private readonly stopping = new AbortController();
  private readonly ask: BreakerOptions['ask'];
  private isAsking = false;
  private timer: NodeJS.Timeout | undefined;

  constructor({ ask, onOpen, log }: BreakerOptions) {
    this.ask = ask;
    let openedAt = 0;
    let isOpen = false;
    this.policy.onBreak((reason) => {
      if (isOpen || this.stopping.signal.aborted) return;
      isOpen = true;
      openedAt = performance.now();
      log?.warn(
        { err: 'error' in reason ? reason.error : undefined },
        'the database does not answer: all that is asked of it fails at once until it does',
      );
      onOpen();
    });
    this.policy.onReset(() => {
      isOpen = false;
      log?.info({ awayMs: Math.round(performance.now() - openedAt) }, 'the database is back');
    });
  }

  get state(): CircuitState {
    return circuitState(this.policy.state);
  }

  /** Something speaks for the server being away. */
  doubt(): void {
    if (this.isAsking || this.state !== 'closed' || this.stopping.signal.aborted) return;
    void this.find(0);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.stopping.abort();
  }

  private async answer(): Promise<void> {
    const askedAt = performance.now();
    const once = () => this.inTime.execute(({ signal }) => this.ask(signal), this.stopping.signal);
    try {
      await once();
    } catch (error) {
      const wasFrozen = performance.now() - askedAt > ANSWER_MS + FROZEN_MS;
      if (!wasFrozen || !(error instanceof TaskCancelledError)) throw error;
      await once();
    }
  }

  private async find(retries: number): Promise<void> {
    this.isAsking = true;
    try {
      await this.policy.execute(() => this.answer());
    } catch {
      // What was wrong is logged when the circuit opens. All but `isAway` is an answer, and whoever needs more than one gets it too
    }
    this.isAsking = false;
    if (this.state === 'closed' || this.stopping.signal.aborted) return;
    const wait = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** retries) * (1 - JITTER * Math.random());
    this.timer = setTimeout(() => void this.find(Math.min(retries + 1, 10)), wait);
  }
}
