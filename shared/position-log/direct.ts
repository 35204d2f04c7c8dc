import { DAY_MS } from '../schemas/time.ts';
import type { ActiveTrip } from '../trips/active-trips.ts';
import { DriverState, type RateLimits } from './driver-state.ts';
import { GroupCommit, type GroupCommitEvents, type WritePositions } from './group-commit.ts';
import type { Appended, Decision, LoggedPosition, PositionLog, Submission } from './index.ts';

export type DirectLogOptions = RateLimits & {
  write: WritePositions;
  maxQueuedPositions: number;
  /** Older positions never come here. */
  historyRetentionDays: number;
  /** The trip that a driver is on. */
  tripOf(driverId: string): ActiveTrip | undefined;
  /** recordedAt (epoch ms) of each driver's current position: what came before a restart is not delivered again. */
  newest: ReadonlyMap<string, number>;
  events?: GroupCommitEvents;
};

/** The limits of a driver that has been silent so long are full again. */
const LIMITS_FULL_AFTER_MS = DAY_MS;
const SWEEP_EVERY_MS = 600_000;

/** How soon a sender may try again when the queue is full: about the longest wait between tries of the commit. */
const OVERLOADED_RETRY_MS = 2000;

/**
 * The log of a process that writes to the database itself: it decides from what it has in memory and commits
 * in groups. For one process only: the limits and the newest positions are not shared.
 */
export function createDirectPositionLog(options: DirectLogOptions): PositionLog {
  const commit = new GroupCommit(options.write, options.events);
  const drivers = new Map<string, DriverState>();
  const startedAt = Date.now();
  for (const [driverId, recordedAt] of options.newest)
    drivers.set(driverId, new DriverState(startedAt, recordedAt));

  const sweep = setInterval(() => {
    const now = Date.now();
    // Forgotten sooner, the backlog of a driver that was silent would go out after newer positions
    const oldest = now - options.historyRetentionDays * DAY_MS;
    for (const [driverId, { lastSeenAt, newestRecordedAt }] of drivers)
      if (lastSeenAt < now - LIMITS_FULL_AFTER_MS && newestRecordedAt < oldest) drivers.delete(driverId);
  }, SWEEP_EVERY_MS);
  sweep.unref();

  const stateOf = ({ driverId, receivedAt }: Submission): DriverState => {
    const known = drivers.get(driverId);
    if (known !== undefined) return known;
    const state = new DriverState(receivedAt);
    drivers.set(driverId, state);
    return state;
  };

  const decide = (submission: Submission, room: number): Decision =>
    submission.positions.length > room
      ? {
          admitted: false,
          code: 'OVERLOADED',
          message: 'more positions are waiting for the database than can be held',
          retryAfterMs: OVERLOADED_RETRY_MS,
        }
      : stateOf(submission).decide(submission, options, options.tripOf(submission.driverId));

  return {
    append(submissions: readonly Submission[]): Promise<Appended> {
      const decisions: Decision[] = [];
      const admitted: LoggedPosition[] = [];
      const live: Submission[] = [];
      for (const submission of submissions) {
        const decision = decide(submission, options.maxQueuedPositions - commit.size - admitted.length);
        decisions.push(decision);
        if (!decision.admitted) continue;
        if (submission.kind === 'live') live.push(submission);
        for (const position of decision.positions) admitted.push(position);
      }
      const kept = commit.add(admitted);
      const settle = () => {
        for (const submission of live) drivers.get(submission.driverId)?.settled(submission);
      };
      kept.then(settle, settle);
      return Promise.resolve({ decisions, kept });
    },
    pending: () => commit.size,
    lagMs: (now) => (commit.oldest === undefined ? 0 : Math.max(0, now - commit.oldest)),
    async close(timeoutMs: number): Promise<void> {
      clearInterval(sweep);
      await commit.close(timeoutMs);
    },
  };
}
