import { ConsecutiveBreaker, circuitBreaker, handleWhen } from 'cockatiel';
import { BoundedMap } from '../../bounded-map.ts';
import { type CircuitState, circuitState } from '../../telemetry/circuits.ts';
import type { Logger } from '../../telemetry/log.ts';
import { DriverState } from '../driver-state.ts';
import { GroupCommit, type GroupCommitEvents } from '../group-commit.ts';
import type { LoggedPosition, Outcome, Submission } from '../index.ts';
import type { Appender, KnownTrip, Verdict } from './append.ts';

/** After a failure the server is left alone for so long. */
const REST_MS = 250;

export type ShardLogOptions = {
  name: string;
  appender: Appender;
  /** Drivers that are decided on here at a time. */
  maxDrivers: number;
  events: GroupCommitEvents;
  log: Logger;
};

/** The server is there and has no room: it answers to every write with an error of this code. */
const isFull = (error: unknown) => error instanceof Error && error.message.startsWith('OOM ');

/** One stream of the log, and what is held here while it is away: the node of a Redis Cluster that has it, and the others go on. */
export class ShardLog {
  /** Settles when all turns so far are decided. */
  decided: Promise<unknown> = Promise.resolve();
  private readonly held: GroupCommit;
  private readonly breaker = circuitBreaker(
    handleWhen((error) => !isFull(error)),
    { halfOpenAfter: REST_MS, breaker: new ConsecutiveBreaker(1) },
  );
  /** What was decided here while the stream was away. */
  private readonly alone: BoundedMap<DriverState>;
  private readonly options: ShardLogOptions;

  constructor(options: ShardLogOptions) {
    this.options = options;
    const { name, appender, maxDrivers, events, log } = options;
    this.alone = new BoundedMap<DriverState>(maxDrivers);
    this.breaker.onReset(() => this.alone.clear());
    const keep = async (positions: readonly LoggedPosition[]): Promise<Outcome[]> => {
      await this.breaker.execute(() => appender.keep(name, positions));
      return positions.map(() => 'accepted');
    };
    this.held = new GroupCommit(keep, {
      retrying: (error, attempt, positions) =>
        log.warn({ err: error, attempt, positions }, 'positions wait for Redis, and are not acknowledged'),
      ...events,
    });
  }

  /** A verdict for each; undefined when the stream is away. */
  async ask(
    submissions: readonly Submission[],
    known: (driverId: string) => KnownTrip | undefined,
  ): Promise<Verdict[] | undefined> {
    const { appender, name, log } = this.options;
    try {
      return await this.breaker.execute(() => appender.submit(name, submissions, known));
    } catch (error) {
      log.debug({ err: error, messages: submissions.length }, 'the log did not take this turn');
      return isFull(error) ? submissions.map(() => ({ kind: 'full' })) : undefined;
    }
  }

  /** Of a driver of which it was last known that it had this newest position (epoch ms). */
  stateOf(driverId: string, receivedAt: number, newestRecordedAt: number | undefined): DriverState {
    const state = this.alone.get(driverId) ?? new DriverState(receivedAt, newestRecordedAt);
    this.alone.set(driverId, state);
    return state;
  }

  /** Resolves once the stream is back and has them. */
  hold(positions: readonly LoggedPosition[]): Promise<readonly Outcome[]> {
    return this.held.add(positions);
  }

  get circuit(): CircuitState {
    return circuitState(this.breaker.state);
  }

  /** Positions held here. */
  get size(): number {
    return this.held.size;
  }

  /** Time of receipt (epoch ms) of the oldest of them. */
  get oldest(): number | undefined {
    return this.held.oldest;
  }

  close(timeoutMs: number): Promise<void> {
    return this.held.close(timeoutMs);
  }
}
