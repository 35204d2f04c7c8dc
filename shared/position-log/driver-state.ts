import type { SubmittedPosition } from '../schemas/position.ts';
import { type ActiveTrip, tripIdAt } from '../trips/active-trips.ts';
import type { Decision, LoggedPosition, Submission } from './index.ts';
import { BacklogBudget, LiveInterval, type Wait } from './rate-limits.ts';

export type RateLimits = { locationMinIntervalMs: number; backlogMaxPerMinute: number };

export const rateLimited = (
  kind: Submission['kind'],
  limits: RateLimits,
  retryAfterMs: number,
): Decision => ({
  admitted: false,
  code: 'RATE_LIMITED',
  message:
    kind === 'live'
      ? `at most one live position every ${limits.locationMinIntervalMs} ms`
      : `at most ${limits.backlogMaxPerMinute} positions a minute in batches`,
  retryAfterMs,
});

/** What has to be known of a driver to decide on its next position. */
export class DriverState {
  private readonly live = new LiveInterval();
  private backlog: BacklogBudget | undefined;
  private lastAssigned = 0;
  private lastLive = -1;
  /** recordedAt of live positions that are admitted and not yet durable. */
  private unsettled: Set<number> | undefined;
  /** recordedAt of the newest position admitted so far. */
  newestRecordedAt: number;
  lastSeenAt: number;

  constructor(now: number, newestRecordedAt = Number.NEGATIVE_INFINITY) {
    this.lastSeenAt = now;
    this.newestRecordedAt = newestRecordedAt;
  }

  /** `trip`: the one that the driver is on. */
  decide(submission: Submission, limits: RateLimits, trip: ActiveTrip | undefined): Decision {
    this.lastSeenAt = submission.receivedAt;
    const wait = this.wait(submission, limits);
    if (wait !== null) return rateLimited(submission.kind, limits, wait);
    const positions = submission.positions.map((position) => this.logged(position, submission, trip));
    const [first] = positions;
    if (submission.trace !== undefined && first !== undefined) first.trace = submission.trace;
    let newest: LoggedPosition | null = null;
    for (const position of positions) {
      if (position.recordedAt <= this.newestRecordedAt) continue;
      this.newestRecordedAt = position.recordedAt;
      newest = position;
    }
    return { admitted: true, positions, newest, trip };
  }

  /** What was admitted of this live submission is durable now, or given up. */
  settled({ positions: [position] }: Submission): void {
    if (position !== undefined && position.recordedAt !== null) this.unsettled?.delete(position.recordedAt);
  }

  private wait({ kind, positions, receivedAt }: Submission, limits: RateLimits): Wait {
    if (kind === 'backlog') {
      this.backlog ??= new BacklogBudget(receivedAt, limits.backlogMaxPerMinute);
      return this.backlog.take(receivedAt, positions.length, limits.backlogMaxPerMinute);
    }
    if (limits.locationMinIntervalMs === 0) return null;
    const recordedAt = positions[0]?.recordedAt ?? null;
    // Resent after a lost acknowledgement, or while the database is away: it takes nothing from the limit. To refuse what is
    // not durable yet would be to acknowledge it.
    if (recordedAt !== null && (recordedAt === this.lastLive || this.unsettled?.has(recordedAt))) return null;
    const wait = this.live.take(receivedAt, limits.locationMinIntervalMs);
    if (wait !== null) return wait;
    this.lastLive = recordedAt ?? -1;
    if (recordedAt !== null) {
      this.unsettled ??= new Set();
      this.unsettled.add(recordedAt);
    }
    return null;
  }

  private logged(
    position: SubmittedPosition,
    { driverId, kind, receivedAt }: Submission,
    trip: ActiveTrip | undefined,
  ): LoggedPosition {
    const timeAssigned = position.recordedAt === null;
    const recordedAt = position.recordedAt ?? this.assignTime(receivedAt);
    return {
      driverId,
      receivedAt,
      tripId: tripIdAt(trip, kind, recordedAt),
      timeAssigned,
      latitude: position.latitude,
      longitude: position.longitude,
      bearing: position.bearing,
      speed: position.speed,
      accuracy: position.accuracy,
      altitude: position.altitude,
      battery: position.battery,
      recordedAt,
    };
  }

  /** The time of receipt, moved on where another position already has it (SPEC section 6). */
  private assignTime(receivedAt: number): number {
    this.lastAssigned = Math.max(receivedAt, this.lastAssigned + 1);
    return this.lastAssigned;
  }
}
