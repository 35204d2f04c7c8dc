import {
  ConsecutiveBreaker,
  circuitBreaker,
  handleAll,
  handleWhen,
  TimeoutStrategy,
  timeout,
  wrap,
} from 'cockatiel';
import { BoundedMap } from '../eta/bounded-map.ts';
import type { RedisConnections } from '../redis/connections.ts';
import { DAY_MS } from '../schemas/time.ts';
import { type CircuitState, circuitState } from '../telemetry/circuits.ts';
import type { Logger } from '../telemetry/log.ts';
import { tripIdAt } from '../trips/active-trips.ts';
import { DriverState, type RateLimits, rateLimited } from './driver-state.ts';
import { GroupCommit, type GroupCommitEvents } from './group-commit.ts';
import type { Decision, LoggedPosition, Outcome, PositionLog, Submission } from './index.ts';
import { Appender, type KnownTrip, type Verdict } from './redis/append.ts';
import { Shards } from './redis/shards.ts';

export type RedisLogOptions = RateLimits & {
  redis: RedisConnections;
  shards: number;
  /** Positions that may wait in the log; and here, while it is away. */
  maxQueuedPositions: number;
  historyRetentionDays: number;
  /** Which of these times (epoch ms) the database had of a driver before `receivedAt`; it may not be there to be asked. */
  stored(driverId: string, times: readonly number[], receivedAt: number): Promise<ReadonlySet<number>>;
  held?: GroupCommitEvents;
  log: Logger;
};

/** How soon a sender may try again when the log is full. */
const OVERLOADED_RETRY_MS = 2000;
/** Drivers of this process of which the trip and the newest time are remembered, for the time when the log is away. */
const MAX_KNOWN = 100_000;
/** After a failure the server is left alone for so long. */
const REST_MS = 250;

/** That a batch has doubles is good to know, and not worth a wait while the database is away. */
const STORED_WITHIN_MS = 500;

type Known = KnownTrip & { newestRecordedAt: number };
type Decided = { decision: Decision; outcomes: Promise<readonly Outcome[]> };

const OVERLOADED: Decision = {
  admitted: false,
  code: 'OVERLOADED',
  message: 'more positions are waiting than can be held',
  retryAfterMs: OVERLOADED_RETRY_MS,
};

const NOTHING = Promise.resolve([]);
const refused = (decision: Decision): Decided => ({ decision, outcomes: NOTHING });

/** The server is there and has no room: it answers to every write with an error of this code. */
const isFull = (error: unknown) => error instanceof Error && error.message.startsWith('OOM ');

/**
 * The log that a cluster shares: Redis streams. It is decided there, with what is known of the driver there, and what was appended is as
 * durable as the server's `appendfsync` says. While Redis is away this process decides for itself, for the clients that it has: their
 * subscribers go on, and what it admits is held in memory, not acknowledged, until it could be appended.
 */
class RedisPositionLog implements PositionLog {
  private readonly shards: Shards;
  private readonly appender: Appender;
  private readonly held: GroupCommit;
  private readonly breaker;
  private readonly lookUp = wrap(
    timeout(STORED_WITHIN_MS, TimeoutStrategy.Aggressive),
    circuitBreaker(handleAll, { halfOpenAfter: REST_MS, breaker: new ConsecutiveBreaker(3) }),
  );
  private readonly known = new BoundedMap<Known>(MAX_KNOWN);
  /** What was decided here while the log was away. */
  private readonly alone = new BoundedMap<DriverState>(MAX_KNOWN);
  private last: Promise<unknown> = Promise.resolve();
  private readonly options: RedisLogOptions;

  constructor(options: RedisLogOptions) {
    const { redis, historyRetentionDays, log } = options;
    this.options = options;
    this.shards = new Shards(redis, options.shards);
    this.appender = new Appender(redis.connect('log'), this.shards, {
      ...options,
      rememberMs: (historyRetentionDays + 1) * DAY_MS,
    });
    this.breaker = circuitBreaker(
      handleWhen((error) => !isFull(error)),
      { halfOpenAfter: REST_MS, breaker: new ConsecutiveBreaker(1) },
    );
    this.breaker.onReset(() => this.alone.clear());
    this.held = new GroupCommit((positions) => this.keep(positions), {
      retrying: (error, attempt, positions) =>
        log.warn({ err: error, attempt, positions }, 'positions wait for Redis, and are not acknowledged'),
      ...options.held,
    });
  }

  async append(
    submissions: readonly Submission[],
  ): Promise<{ decisions: readonly Decision[]; kept: Promise<readonly Outcome[]> }> {
    const verdicts = this.ask(submissions);
    // In the order of the turns, whatever shard answers first: nobody is to see an older position after a newer one
    const decided = this.last.then(async () => {
      const answers = await verdicts;
      return submissions.map((submission, index) => this.decide(submission, answers[index]));
    });
    this.last = decided.catch(() => undefined);
    const all = await decided;
    return {
      decisions: all.map(({ decision }) => decision),
      kept: Promise.all(all.map(({ outcomes }) => outcomes)).then((outcomes) => outcomes.flat()),
    };
  }

  /** Held here; what the log holds is for those to tell who take it out. */
  pending(): number {
    return this.held.size;
  }

  lagMs(now: number): number {
    return this.held.oldest === undefined ? 0 : Math.max(0, now - this.held.oldest);
  }

  circuit(): CircuitState {
    return circuitState(this.breaker.state);
  }

  close(timeoutMs: number): Promise<void> {
    return this.held.close(timeoutMs);
  }

  /** undefined for those whose shard does not answer. */
  private async ask(submissions: readonly Submission[]): Promise<(Verdict | undefined)[]> {
    const verdicts = new Array<Verdict | undefined>(submissions.length);
    const byShard = this.shards.group(submissions.keys(), (index) => submissions[index]?.driverId ?? '');
    await Promise.all(
      [...byShard].map(async ([shard, indices]) => {
        const own = indices.flatMap((index) => submissions[index] ?? []);
        const answers = await this.answers(shard, own);
        indices.forEach((index, at) => {
          verdicts[index] = answers?.[at];
        });
      }),
    );
    return verdicts;
  }

  private async answers(shard: string, own: readonly Submission[]): Promise<Verdict[] | undefined> {
    try {
      return await this.breaker.execute(() =>
        this.appender.submit(shard, own, (driverId) => this.known.get(driverId)),
      );
    } catch (error) {
      this.options.log.debug({ err: error, messages: own.length }, 'the log did not take this turn');
      return isFull(error) ? own.map(() => ({ kind: 'full' })) : undefined;
    }
  }

  private decide(submission: Submission, verdict: Verdict | undefined): Decided {
    switch (verdict?.kind) {
      case undefined:
        return this.decideAlone(submission);
      case 'full':
        return refused(OVERLOADED);
      case 'limited':
        return refused(rateLimited(submission.kind, this.options, verdict.retryAfterMs));
      case 'admitted':
        return this.admit(submission, verdict);
    }
  }

  private admit(submission: Submission, verdict: Verdict & { kind: 'admitted' }): Decided {
    const { driverId, receivedAt, kind } = submission;
    const { trip, isNewest } = verdict;
    let nextAssigned = verdict.assigned;
    let newest: LoggedPosition | undefined;
    const positions = submission.positions.map((position): LoggedPosition => {
      const recordedAt = position.recordedAt ?? nextAssigned++;
      const logged = {
        ...position,
        recordedAt,
        driverId,
        receivedAt,
        timeAssigned: position.recordedAt === null,
        tripId: tripIdAt(trip, kind, recordedAt),
      };
      if (newest === undefined || newest.recordedAt < recordedAt) newest = logged;
      return logged;
    });
    this.remember(driverId, newest?.recordedAt ?? 0, { version: verdict.tripVersion, trip });
    const resent =
      kind === 'live'
        ? Promise.resolve(verdict.resent ? new Set([newest?.recordedAt]) : NONE)
        : this.stored(submission);
    return {
      decision: { admitted: true, positions, newest: isNewest ? (newest ?? null) : null, trip },
      outcomes: resent.then((times) => outcomesOf(positions, times)),
    };
  }

  /** The rules are the same; what is admitted is acknowledged once the log is back and has it. */
  private decideAlone(submission: Submission): Decided {
    const { driverId, receivedAt } = submission;
    if (submission.positions.length > this.options.maxQueuedPositions - this.held.size)
      return refused(OVERLOADED);
    const known = this.known.get(driverId);
    const state = this.alone.get(driverId) ?? new DriverState(receivedAt, known?.newestRecordedAt);
    this.alone.set(driverId, state);
    const decision = state.decide(submission, this.options, known?.trip);
    if (!decision.admitted) return refused(decision);
    this.remember(driverId, state.newestRecordedAt, known ?? { version: '', trip: undefined });
    const outcomes = this.held.add(decision.positions);
    const settle = () => state.settled(submission);
    outcomes.then(settle, settle);
    return { decision, outcomes };
  }

  private remember(driverId: string, recordedAt: number, trip: KnownTrip): void {
    const newestRecordedAt = Math.max(recordedAt, this.known.get(driverId)?.newestRecordedAt ?? recordedAt);
    this.known.set(driverId, { version: trip.version, trip: trip.trip, newestRecordedAt });
  }

  private async keep(positions: readonly LoggedPosition[]): Promise<Outcome[]> {
    const byShard = this.shards.group(positions, ({ driverId }) => driverId);
    for (const [shard, own] of byShard) await this.breaker.execute(() => this.appender.keep(shard, own));
    return positions.map(() => 'accepted');
  }

  /** The log itself does not know what it had before: only the database does, if it can be asked. */
  private async stored({
    driverId,
    positions,
    receivedAt,
  }: Submission): Promise<ReadonlySet<number | undefined>> {
    const times = positions.flatMap(({ recordedAt }) => recordedAt ?? []);
    try {
      return await this.lookUp.execute(() => this.options.stored(driverId, times, receivedAt));
    } catch (error) {
      this.options.log.debug({ err: error }, 'whether positions are stored already is not known');
      return NONE;
    }
  }
}

const NONE: ReadonlySet<number | undefined> = new Set();

/** Times that are stored already, or stand twice in one submission. */
function outcomesOf(
  positions: readonly LoggedPosition[],
  stored: ReadonlySet<number | undefined>,
): Outcome[] {
  const seen = new Set<number>();
  return positions.map(({ recordedAt, timeAssigned }) => {
    if (timeAssigned) return 'accepted';
    const isDouble = stored.has(recordedAt) || seen.has(recordedAt);
    seen.add(recordedAt);
    return isDouble ? 'duplicate' : 'accepted';
  });
}

export const createRedisPositionLog = (options: RedisLogOptions): PositionLog & { circuit(): CircuitState } =>
  new RedisPositionLog(options);
