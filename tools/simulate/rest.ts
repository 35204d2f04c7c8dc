import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Statistics } from './ledger/statistics.ts';
import { fieldsOf } from './messages.ts';

export type RestAnswer = { status: number; body: Readonly<Record<string, unknown>> };

export type RestSettings = {
  baseUrl: string;
  statistics: Statistics;
  note: (text: string) => void;
};

/** So many requests at a time; the others wait here and not in the platform. */
const AT_ONCE = 24;
const ANSWER_WITHIN_MS = 10_000;
/** A platform that is away or says that it can't just now is asked again for so long. */
const PATIENCE_MS = 60_000;
const RETRY_EVERY_MS = 500;
/** Where a 429 doesn't say when to come again. */
const RETRY_AFTER_S = 5;

const TOO_MANY = 429;

/** What others need of the client. */
export type Rest = Pick<RestClient, 'request'>;

/** The platform did not answer, or not with what was asked for, however often it was asked. */
export class RestError extends Error {
  constructor(method: string, path: string, reason: string) {
    super(`${method} ${path}: ${reason}`);
    this.name = 'RestError';
  }
}

/** fetch says only that it failed; why is in the cause. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as Error & { cause?: { code?: unknown } };
  return typeof cause?.code === 'string' ? cause.code : message;
}

/**
 * REST as a patient client uses it: a 429 is waited out, a platform that is away or overloaded is asked again. What
 * creates something carries an Idempotency-Key, so that asking again creates it once.
 */
export class RestClient {
  readonly #settings: RestSettings;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  /** Since when every request has failed; undefined: the last one was answered. */
  #downSince: number | undefined;

  constructor(settings: RestSettings) {
    this.#settings = settings;
  }

  /**
   * @returns the answer, also when it is an error of the request's own (4xx)
   * @throws RestError
   */
  async request(token: string, method: string, path: string, body?: unknown): Promise<RestAnswer> {
    const init: RequestInit = {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(method === 'POST' ? { 'idempotency-key': randomUUID() } : {}),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
    await this.#enter();
    try {
      return await this.#untilAnswered(method, path, init);
    } finally {
      this.#leave();
    }
  }

  async #untilAnswered(method: string, path: string, init: RequestInit): Promise<RestAnswer> {
    const startedAt = performance.now();
    for (;;) {
      const { answer, retryAfterMs, reason } = await this.#ask(path, init);
      const now = performance.now();
      if (answer !== undefined || retryAfterMs !== undefined) this.#downSince = undefined;
      else this.#downSince ??= now;
      if (answer !== undefined) return answer;
      const since = Math.min(startedAt, this.#downSince ?? now);
      if (retryAfterMs === undefined && now - since > PATIENCE_MS) throw new RestError(method, path, reason);
      await delay(retryAfterMs ?? RETRY_EVERY_MS);
    }
  }

  async #ask(
    path: string,
    init: RequestInit,
  ): Promise<{ answer?: RestAnswer; retryAfterMs?: number; reason: string }> {
    const { baseUrl, statistics, note } = this.#settings;
    statistics.requests++;
    try {
      const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
      const response = await fetch(new URL(path, baseUrl), { ...init, signal });
      const { status, headers } = response;
      const body = fieldsOf(await response.text()) ?? {};
      if (status < 400) return { answer: { status, body }, reason: '' };
      const reason = `${status} ${typeof body.code === 'string' ? body.code : ''}`.trim();
      statistics.error(`REST ${reason}`);
      if (status === TOO_MANY) {
        note('REST answers 429: the platform lets more through with API_RATE_LIMIT_PER_MINUTE=0; waiting');
        return { retryAfterMs: 1000 * Number(headers.get('retry-after') ?? RETRY_AFTER_S), reason };
      }
      return status >= 500 ? { reason } : { answer: { status, body }, reason };
    } catch (error) {
      const reason = reasonOf(error);
      statistics.error(`REST ${reason}`);
      note(`${baseUrl}: ${reason}, trying again`);
      return { reason };
    }
  }

  #enter(): Promise<void> {
    if (this.#running < AT_ONCE) {
      this.#running++;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}
