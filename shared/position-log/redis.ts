import { ConsecutiveBreaker, circuitBreaker, handleAll, TimeoutStrategy, timeout, wrap } from 'cockatiel';
import { BoundedMap } from '../bounded-map.ts';
import type { RedisConnections } from '../redis/connections.ts';
import { DAY_MS } from '../schemas/time.ts';
import { type CircuitState, worstCircuit } from '../telemetry/circuits.ts';
import type { Logger } from '../telemetry/log.ts';
import { tripIdAt } from '../trips/active-trips.ts';
import { type RateLimits, rateLimited } from './driver-state.ts';
import type { GroupCommitEvents } from './group-commit.ts';
import type { Decision, LoggedPosition, Outcome, PositionLog, Submission } from './index.ts';
import { Appender, type KnownTrip, type Verdict } from './redis/append.ts';
import { ShardLog } from './redis/shard-log.ts';
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
/** That a batch has doubles is good to know, and not worth a wait while the database is away. */
const STORED_WITHIN_MS = 500;
/** After a failure it is left alone for so long. */
const REST_MS = 250;

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

/**
 * The log that a cluster shares: Redis streams. It is decided there, with what is known of the driver there, and what was appended is as
 * durable as the server's `appendfsync` says. While Redis is away this process decides for itself, for the clients that it has: their
 * subscribers go on, and what it admits is held in memory, not acknowledged, until it could be appended.
 */
class RedisPositionLog implements PositionLog {
  readonly partOf?: (driverId: string) => string;
  private readonly shards: Shards;
  private readonly logs: ReadonlyMap<string, ShardLog>;
  private readonly lookUp = wrap(
    timeout(STORED_WITHIN_MS, TimeoutStrategy.Aggressive),
    circuitBreaker(handleAll, { halfOpenAfter: REST_MS, breaker: new ConsecutiveBreaker(3) }),
  );
  private readonly known = new BoundedMap<Known>(MAX_KNOWN);
  private readonly options: RedisLogOptions;

  constructor(options: RedisLogOptions) {
    const { redis, historyRetentionDays, log } = options;
    this.options = options;
    this.shards = new Shards(redis, options.shards);
    const appender = new Appender(redis.connect('log'), this.shards, {
      ...options,
      rememberMs: (historyRetentionDays + 1) * DAY_MS,
    });
    if (options.shards > 1) this.partOf = (driverId) => this.shards.of(driverId);
    const maxDrivers = Math.ceil(MAX_KNOWN / options.shards);
    const events = options.held ?? {};
    this.logs = new Map(
      this.shards.names.map((name) => [name, new ShardLog({ name, appender, maxDrivers, events, log })]),
    );
  }

  async append(
    submissions: readonly Submission[],
  ): Promise<{ decisions: readonly Decision[]; kept: Promise<readonly Outcome[]> }> {
    const byShard = this.shards.group(submissions.keys(), (index) => submissions[index]?.driverId ?? '');
    const logs = [...byShard.keys()].flatMap((shard) => this.logs.get(shard) ?? []);
    const verdicts = this.ask(submissions, byShard);
    // In the order of the turns, whichever is answered first: nobody is to see an older position after a newer one
    const decided = Promise.all(logs.map((log) => log.decided)).then(async () => {
      const answers = await verdicts;
      return submissions.map((submission, index) => this.decide(submission, answers[index]));
    });
    const settled = decided.catch(() => undefined);
    for (const log of logs) log.decided = settled;
    const all = await decided;
    return {
      decisions: all.map(({ decision }) => decision),
      kept: Promise.all(all.map(({ outcomes }) => outcomes)).then((outcomes) => outcomes.flat()),
    };
  }

  /** Held here; what the log holds is for those to tell who take it out. */
  pending(): number {
    return [...this.logs.values()].reduce((sum, { size }) => sum + size, 0);
  }

  lagMs(now: number): number {
    const oldest = Math.min(...[...this.logs.values()].map((log) => log.oldest ?? now));
    return Math.max(0, now - oldest);
  }

  /** Of all its streams: open while one is away. */
  circuit(): CircuitState {
    return worstCircuit([...this.logs.values()].map(({ circuit }) => circuit));
  }

  async close(timeoutMs: number): Promise<void> {
    await Promise.all([...this.logs.values()].map((log) => log.close(timeoutMs)));
  }

  /** undefined for those whose shard does not answer. */
  private async ask(
    submissions: readonly Submission[],
    byShard: ReadonlyMap<string, readonly number[]>,
  ): Promise<(Verdict | undefined)[]> {
    const verdicts = new Array<Verdict | undefined>(submissions.length);
    await Promise.all(
      [...byShard].map(async ([shard, indices]) => {
        const own = indices.flatMap((index) => submissions[index] ?? []);
        const answers = await this.logs.get(shard)?.ask(own, (driverId) => this.known.get(driverId));
        indices.forEach((index, at) => {
          verdicts[index] = answers?.[at];
        });
      }),
    );
    return verdicts;
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
    const log = this.logs.get(this.shards.of(driverId));
    if (log === undefined || submission.positions.length > this.options.maxQueuedPositions - this.pending())
      return refused(OVERLOADED);
    const known = this.known.get(driverId);
    const state = log.stateOf(driverId, receivedAt, known?.newestRecordedAt);
    const decision = state.decide(submission, this.options, known?.trip);
    if (!decision.admitted) return refused(decision);
    this.remember(driverId, state.newestRecordedAt, known ?? { version: '', trip: undefined });
    const outcomes = log.hold(decision.positions);
    const settle = () => state.settled(submission);
    outcomes.then(settle, settle);
    return { decision, outcomes };
  }

  private remember(driverId: string, recordedAt: number, trip: KnownTrip): void {
    const newestRecordedAt = Math.max(recordedAt, this.known.get(driverId)?.newestRecordedAt ?? recordedAt);
    this.known.set(driverId, { version: trip.version, trip: trip.trip, newestRecordedAt });
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
