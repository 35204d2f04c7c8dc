import type { Position, SubmittedPosition } from '../schemas/position.ts';
import type { ActiveTrip } from '../trips/active-trips.ts';

/** What one message brought: a live position, or the backlog of a device that was away. */
export type Submission = {
  driverId: string;
  kind: 'live' | 'backlog';
  /** Validated. At least one; exactly one when live. */
  positions: readonly SubmittedPosition[];
  /** Epoch milliseconds. */
  receivedAt: number;
  /** The step that brought it, where it is traced (a traceparent). */
  trace?: string;
};

/** A position as it is kept: with its time, its driver and the trip that it belongs to. */
export type LoggedPosition = Position & {
  driverId: string;
  receivedAt: number;
  tripId: string | null;
  /** The sender gave no recordedAt: this one may be moved on until it is the only one in its millisecond. */
  timeAssigned: boolean;
  /** Of the first of its submission, where that is traced: the step whose follower its commit is. */
  trace?: string;
};

export type Decision =
  | {
      admitted: true;
      /** In the order of the submission. */
      positions: readonly LoggedPosition[];
      /** The newest of them, if it is newer than all that this driver sent before: what subscribers get. */
      newest: LoggedPosition | null;
      /** The trip that the driver is on. */
      trip: ActiveTrip | undefined;
    }
  | { admitted: false; code: 'RATE_LIMITED' | 'OVERLOADED'; message: string; retryAfterMs: number };

/** What became of one admitted position. INVALID_PAYLOAD: the database itself refused it; it is set aside. */
export type Outcome = 'accepted' | 'duplicate' | 'INVALID_PAYLOAD';

export type Appended = {
  /** One for each submission: subscribers may have what is admitted, at once. */
  decisions: readonly Decision[];
  /**
   * Settles when all that was admitted is durable: acknowledge then, and not before. One outcome for each admitted
   * position, in order. Rejects when the log was closed first: nothing may be acknowledged.
   */
  kept: Promise<readonly Outcome[]>;
};

/**
 * Port: the durable log between broker and ingest. One append carries all that arrived in one turn of the event
 * loop; the log decides (rate limits, which position is the newest, which trip it belongs to) and keeps what it admits.
 * Adapters: `direct.ts` commits to the database itself; a shared log acknowledges once the append is durable there.
 */
export type PositionLog = {
  /**
   * The part of the log that a driver's positions are in, where it has several: each answers at its own time, so submissions of different
   * ones are better appended apart.
   */
  readonly partOf?: (driverId: string) => string;
  append(submissions: readonly Submission[]): Promise<Appended>;
  /** Positions admitted and not yet durable. */
  pending(): number;
  /** Age (ms) at `now` of the oldest of them; 0 when there is none. */
  lagMs(now: number): number;
  /** Waits for all that was admitted, at most this long (ms). */
  close(timeoutMs: number): Promise<void>;
};
