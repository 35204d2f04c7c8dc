import {
  bulkhead,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleAll,
  TimeoutStrategy,
  timeout,
  wrap,
} from 'cockatiel';
import type { Point } from '../geo.ts';
import { type CircuitState as Circuit, circuitState } from '../telemetry/circuits.ts';
import type { Logger } from '../telemetry/log.ts';

/** Along the road network, as the engine has it. */
export type Route = { meters: number; seconds: number };

export type OsrmClientOptions = {
  url: string;
  log: Logger;
  /** For one answer. Then it is a failure. */
  timeoutMs: number;
  /** After failures in a row nothing is asked for so long; then one question tries whether it is back. */
  restMs: number;
};

/** Questions under way at once. At 5 ms an answer it is 1,600 a second; a slow engine is not buried. */
const MAX_CONCURRENT = 8;

/** So many failures in a row, over all trips, are an outage. */
const FAILURES_IN_A_ROW = 5;

/** An answer without geometry has some hundred bytes. What is larger comes from something else. */
const MAX_BYTES = 65_536;

/** What a sound engine says about points that no road joins: an answer like any other (OSRM's HTTP API, `code`). */
const NO_ROUTE = ['NoRoute', 'NoSegment'];

/** OSRM's HTTP API, service `route`, profile `driving`, behind a time limit, a circuit breaker and a bound on questions. */
export class OsrmClient {
  private readonly base: URL;
  private readonly log: Logger;
  private readonly restMs: number;
  private readonly slots = bulkhead(MAX_CONCURRENT, 0);
  private readonly breaker;
  private readonly policy;
  private readonly stopping = new AbortController();
  private down = false;
  private restsUntil = 0;

  /** @throws Error when `url` is no address that can be asked */
  constructor({ url, log, timeoutMs, restMs }: OsrmClientOptions) {
    this.base = address(url);
    this.log = log;
    this.restMs = restMs;
    this.breaker = circuitBreaker(handleAll, {
      // When it is tried again is for isFree to say, by a clock that nobody sets; this one goes by the time of day.
      halfOpenAfter: Number.NEGATIVE_INFINITY,
      breaker: new ConsecutiveBreaker(FAILURES_IN_A_ROW),
    });
    // The slots are outermost: that there is none free is not the engine's failure.
    this.policy = wrap(this.slots, this.breaker, timeout(timeoutMs, TimeoutStrategy.Aggressive));
    this.breaker.onBreak((reason) => this.rest('error' in reason ? reason.error : undefined));
    this.breaker.onReset(() => this.resume());
  }

  get circuit(): Circuit {
    return circuitState(this.breaker.state);
  }

  /** Whether it answers, as far as is known. */
  get isUp(): boolean {
    return this.breaker.state === CircuitState.Closed && !this.stopping.signal.aborted;
  }

  /** Whether a question would be put now: not while it rests, nor beside the one that tries whether it is back. */
  get isFree(): boolean {
    if (this.stopping.signal.aborted || this.slots.executionSlots === 0) return false;
    if (this.breaker.state === CircuitState.Open) return performance.now() >= this.restsUntil;
    return this.breaker.state === CircuitState.Closed;
  }

  /**
   * undefined: no road joins the two.
   * To be called while `isFree`.
   * @throws Error when there is no answer in time, or one that can't be used
   */
  route(from: Point, to: Point): Promise<Route | undefined> {
    return this.policy.execute(({ signal }) => this.ask(from, to, signal), this.stopping.signal);
  }

  stop(): void {
    this.stopping.abort();
  }

  private async ask(from: Point, to: Point, signal: AbortSignal): Promise<Route | undefined> {
    const url = new URL(this.base);
    url.pathname = `${this.base.pathname.replace(/\/+$/, '')}/route/v1/driving/${coordinates(from)};${coordinates(to)}`;
    url.searchParams.set('overview', 'false');
    const response = await fetch(url, { redirect: 'error', signal });
    return routeFrom(response.status, await json(response));
  }

  private rest(reason: unknown): void {
    this.restsUntil = performance.now() + this.restMs;
    if (this.down || this.stopping.signal.aborted) return;
    this.down = true;
    this.log.warn({ err: reason }, 'the routing engine fails: ETAs are by straight line until it is back');
  }

  private resume(): void {
    if (!this.down) return;
    this.down = false;
    this.log.info('the routing engine is back');
  }
}

function address(url: string): URL {
  const base = URL.canParse(url) ? new URL(url) : undefined;
  // fetch refuses a user name and password.
  if (base === undefined || !['http:', 'https:'].includes(base.protocol) || base.username || base.password)
    throw new Error('OSRM_URL must be an http or https address, without user name and password');
  return base;
}

/** To 0.1 m, and never in the exponent notation that JavaScript has for the smallest numbers. */
const coordinates = ({ latitude, longitude }: Point) => `${longitude.toFixed(6)},${latitude.toFixed(6)}`;

async function json(response: Response): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BYTES) throw new Error(`the answer is larger than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    // Without the cause: it quotes the answer, in which there are positions.
    throw new Error(`the answer, with status ${response.status}, is not JSON`);
  }
}

type RouteAnswer = { code?: unknown; routes?: { distance?: unknown; duration?: unknown }[] } | null;

const isAmount = (value: unknown): value is number => Number.isFinite(value) && (value as number) >= 0;

function routeFrom(status: number, answer: unknown): Route | undefined {
  const { code, routes } = (answer as RouteAnswer) ?? {};
  if (NO_ROUTE.includes(code as string)) return undefined;
  const { distance, duration } = (Array.isArray(routes) && routes[0]) || {};
  if (status !== 200 || code !== 'Ok' || !isAmount(distance) || !isAmount(duration))
    throw new Error(`the answer, with status ${status} and code ${JSON.stringify(code)}, holds no route`);
  return { meters: distance, seconds: duration };
}
