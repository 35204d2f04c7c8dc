import type { ErrorCode } from '../errors.ts';
import type { Decision, LoggedPosition, Outcome, PositionLog, Submission } from '../position-log/index.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Traces } from '../telemetry/traces/index.ts';
import { startAppend, startSend } from '../telemetry/traces/steps.ts';
import type { ActiveTrip } from '../trips/active-trips.ts';
import { parseBacklog, parseLive } from './parse.ts';
import type { BacklogResult, LiveResult, RejectedPosition } from './results.ts';

export type { BacklogResult, LiveResult } from './results.ts';

export type AdmissionOptions = {
  log: PositionLog;
  logger: Logger;
  /** Hands a position to its subscribers, those of the driver's trip too; calls back when it was written to them. */
  deliver(position: LoggedPosition, trip: ActiveTrip | undefined, written: () => void): void;
  /** A driver has sent something that was admitted. */
  seen(driverId: string, at: number): void;
  metrics: Metrics;
  /** undefined: nothing is traced. */
  traces?: Traces | undefined;
  /** Positions older than this are refused. */
  historyRetentionDays: number;
};

/** undefined: the log was closed before the position was durable; it must not be acknowledged. */
type Settle = (decision: Decision | undefined, outcomes: readonly Outcome[] | undefined) => void;

type Pending = {
  submission: Submission;
  settle: Settle;
  /** The step that brought it, where it is traced. */
  trace?: string;
};
/** decision undefined: the log could not even decide. */
type Decided = Pending & { decision: Decision | undefined };

/**
 * The way in for every position, over MQTT and REST alike: validate, then one durable append for all that arrived in
 * the same turn of the event loop, then the answer. Subscribers get a position as soon as the log has admitted it; the sender
 * gets its acknowledgement once it is durable.
 */
export class Admission {
  private turn: Pending[] = [];
  private readonly options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.options = options;
  }

  /** One position. `payload`: parsed JSON. `trace`: the step that brought it. */
  live(
    driverId: string,
    payload: unknown,
    receivedAt: number,
    done: (result: LiveResult) => void,
    trace?: string,
  ): void {
    const answer = (result: LiveResult) => {
      if (result === undefined) this.options.metrics.unkept.inc();
      else this.count(result.verdict, 1);
      done(result);
    };
    const parsed = parseLive(payload, receivedAt, this.options.historyRetentionDays);
    if ('refusal' in parsed) return answer({ verdict: parsed.refusal.code, refusal: parsed.refusal });
    const submission: Submission = { driverId, kind: 'live', positions: [parsed.position], receivedAt };
    this.submit(submission, trace, (decision, outcomes) => {
      if (decision === undefined) return answer(undefined);
      if (!decision.admitted) return answer({ verdict: decision.code, refusal: decision });
      const [outcome] = outcomes ?? [];
      const [position] = decision.positions;
      if (outcome === undefined || position === undefined) return answer(undefined);
      answer({ verdict: outcome, position });
    });
  }

  /** A batch, of which the good positions are kept whatever else is in it. `payload`: parsed JSON. */
  backlog(
    driverId: string,
    payload: unknown,
    receivedAt: number,
    done: (result: BacklogResult) => void,
    trace?: string,
  ): void {
    const parsed = parseBacklog(payload, receivedAt, this.options.historyRetentionDays);
    if ('refusal' in parsed) {
      this.count(parsed.refusal.code, 1);
      return done({ refusal: parsed.refusal });
    }
    const { positions, indices, rejected } = parsed;
    const answer = (accepted: number, duplicates: number, late: readonly RejectedPosition[]) => {
      for (const { code } of rejected) this.count(code, 1);
      done({ accepted, duplicates, rejected: [...rejected, ...late].sort((a, b) => a.index - b.index) });
    };
    if (positions.length === 0) return answer(0, 0, []);
    const unkept = () => {
      this.options.metrics.unkept.inc(positions.length);
      done(undefined);
    };
    this.submit({ driverId, kind: 'backlog', positions, receivedAt }, trace, (decision, outcomes) => {
      if (decision === undefined) return unkept();
      if (!decision.admitted) {
        this.count(decision.code, positions.length);
        return done({ refusal: decision });
      }
      if (outcomes === undefined) return unkept();
      const late: RejectedPosition[] = [];
      let duplicates = 0;
      outcomes.forEach((outcome, at) => {
        this.count(outcome, 1);
        if (outcome === 'duplicate') duplicates++;
        else if (outcome !== 'accepted')
          late.push({ index: indices[at] ?? 0, code: outcome, message: 'can not be stored' });
      });
      answer(outcomes.length - duplicates - late.length, duplicates, late);
    });
  }

  private count(verdict: 'accepted' | 'duplicate' | ErrorCode, positions: number): void {
    this.options.metrics.positions.count(verdict, positions);
  }

  private submit(submission: Submission, trace: string | undefined, settle: Settle): void {
    if (this.turn.length === 0) setImmediate(() => this.flush());
    this.turn.push(
      trace === undefined ? { submission, settle } : this.traced({ submission, settle, trace }, trace),
    );
  }

  /** With a step of its own, which ends when the log has decided against it, or has it. */
  private traced(pending: Pending, trace: string): Pending {
    const { submission, settle } = pending;
    const { traces } = this.options;
    const step = traces && startAppend(traces, trace, submission.positions.length);
    if (step === undefined) return pending;
    return {
      trace,
      submission: { ...submission, trace: step.traceparent },
      settle(decision, outcomes) {
        step.end(
          decision?.admitted === false ? decision.code : outcomes === undefined ? 'NOT_KEPT' : undefined,
        );
        settle(decision, outcomes);
      },
    };
  }

  private flush(): void {
    const turn = this.turn;
    this.turn = [];
    for (const part of parts(turn, this.options.log)) void this.append(part);
  }

  private async append(turn: readonly Pending[]): Promise<void> {
    const { log, logger, metrics } = this.options;
    metrics.appendBatch.observe(turn.reduce((sum, { submission }) => sum + submission.positions.length, 0));
    let waiting: Decided[] = turn.map((pending) => ({ ...pending, decision: undefined }));
    let outcomes: readonly Outcome[] | undefined;
    try {
      const { decisions, kept } = await log.append(turn.map(({ submission }) => submission));
      waiting = answerRefused(turn, decisions);
      this.deliver(turn, decisions);
      outcomes = await kept;
    } catch (error) {
      logger.warn(
        { err: error, messages: turn.length },
        'positions could not be kept and are not acknowledged',
      );
    }
    answerAdmitted(waiting, outcomes);
  }

  private deliver(turn: readonly Pending[], decisions: readonly Decision[]): void {
    for (const [index, decision] of decisions.entries()) {
      const [first] = decision.admitted ? decision.positions : [];
      if (!decision.admitted || first === undefined) continue;
      try {
        this.deliverNewest(first, decision.newest, decision.trip, turn[index]?.trace);
      } catch (error) {
        // A fault on the way to one driver's followers is nothing to the others, nor to what is kept
        this.options.logger.error(
          { err: error, driverId: first.driverId },
          'a position could not be delivered',
        );
      }
    }
  }

  private deliverNewest(
    { driverId, receivedAt }: LoggedPosition,
    newest: LoggedPosition | null,
    trip: ActiveTrip | undefined,
    trace: string | undefined,
  ): void {
    const { deliver, seen, metrics, traces } = this.options;
    seen(driverId, receivedAt);
    if (newest === null) return;
    const step =
      trace === undefined || traces === undefined ? undefined : startSend(traces, trace, trip !== undefined);
    deliver(newest, trip, () => {
      metrics.delivery.observe((Date.now() - newest.receivedAt) / 1000);
      step?.end();
    });
  }
}

/** A part of the log that is away holds up nobody but those whose positions go there. */
function parts(turn: readonly Pending[], log: PositionLog): Iterable<readonly Pending[]> {
  const { partOf } = log;
  if (partOf === undefined) return [turn];
  const byPart = new Map<string, Pending[]>();
  for (const pending of turn) {
    const part = partOf(pending.submission.driverId);
    const others = byPart.get(part);
    if (others === undefined) byPart.set(part, [pending]);
    else others.push(pending);
  }
  return byPart.values();
}

/** Answers what the log has refused: it need not wait for the database. @returns the others */
function answerRefused(turn: readonly Pending[], decisions: readonly Decision[]): Decided[] {
  const admitted: Decided[] = [];
  turn.forEach((pending, index) => {
    const decision = decisions[index];
    if (decision?.admitted === false) pending.settle(decision, undefined);
    else admitted.push({ ...pending, decision });
  });
  return admitted;
}

/** Hands each admitted message of a turn its share of the outcomes, in order. */
function answerAdmitted(waiting: readonly Decided[], outcomes: readonly Outcome[] | undefined): void {
  let nextOutcome = 0;
  for (const { settle, decision } of waiting) {
    const positions = decision?.admitted ? decision.positions.length : 0;
    settle(decision, outcomes?.slice(nextOutcome, nextOutcome + positions));
    nextOutcome += positions;
  }
}
