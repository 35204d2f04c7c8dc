import type { Identity } from '../../shared/auth/identity.ts';
import type { FollowState } from '../../shared/trips/sql/find-follow-states.ts';
import { hasEnded, mayFollow, maySeeDriver } from '../../shared/trips/status.ts';
import type { TripStatusMessage } from '../../shared/trips/trip.ts';
import type { EventStream } from './event-stream.ts';
import type { TripFollower } from './trip-followers.ts';

/** The last location message of a trip's driver. Does not reject. */
type Snapshot = (driverId: string) => Buffer | undefined | Promise<Buffer | undefined>;

/**
 * One client following one trip: what was there first, then what comes, each status once and in order, no position before the
 * last one, nothing that its user may not see at that moment. Until it is started, what comes is kept.
 */
export class LiveTrip implements TripFollower {
  private state: FollowState | undefined;
  private early: TripStatusMessage[] = [];
  private version = 0;
  private isGapOpen = false;
  private recordedAt = '';
  /** A position came before the message that lets this user see the driver. */
  private isPlaceMissed = false;
  private readonly stream: EventStream;
  private readonly identity: Identity;
  private readonly snapshot: Snapshot;
  private readonly end: () => void;
  private readonly onGap: () => void;

  /**
   * `snapshot`: the last location message. `end`: the trip is over, or the user may not follow it any more. `onGap`: statuses were lost,
   * and are to be looked up.
   */
  constructor(
    stream: EventStream,
    identity: Identity,
    { snapshot, end, onGap }: { snapshot: Snapshot; end: () => void; onGap: () => void },
  ) {
    this.stream = stream;
    this.identity = identity;
    this.snapshot = snapshot;
    this.end = end;
    this.onGap = onGap;
  }

  /** What it has been told; undefined: it is not started yet. */
  get told(): number | undefined {
    return this.state && this.version;
  }

  /** `messages`: the statuses to begin with; none: it has seen them all. */
  start(state: FollowState, messages: readonly TripStatusMessage[]): void {
    this.state = state;
    this.version = state.messages.at(-1)?.version ?? 0;
    for (const message of messages) if (message.version <= this.version) this.replay(state, message);
    // Whoever comes back after the end has nothing to wait for
    if (hasEnded(state.status)) return this.end();
    this.missed(messages);
    for (const message of this.early.splice(0)) this.status(message);
    if (this.isGapOpen) this.onGap();
    this.show();
  }

  status(message: TripStatusMessage): void {
    if (this.state === undefined) this.early.push(message);
    // It comes again with what it has skipped
    else if (message.version > this.version + 1) this.onGap();
    else this.take(message);
  }

  gap(): void {
    if (this.state === undefined) this.isGapOpen = true;
    else this.onGap();
  }

  missed(messages: readonly TripStatusMessage[]): void {
    for (const message of messages) this.take(message);
  }

  private take(message: TripStatusMessage): void {
    if (this.state === undefined || message.version <= this.version) return;
    this.version = message.version;
    const before = this.state;
    this.state = { ...before, status: message.status, driverId: message.driverId };
    const ended = hasEnded(message.status);
    // A guest's right ends with the trip: that it has ended is the last that it sees
    if (!mayFollow(this.identity, ended ? { ...this.state, status: before.status } : this.state))
      return this.end();
    this.send(message);
    if (ended) return this.end();
    if (this.isPlaceMissed && maySeeDriver(this.identity, this.state)) this.show();
  }

  location(payload: Buffer): void {
    if (this.state === undefined) return;
    if (!maySeeDriver(this.identity, this.state)) {
      // It is published, so the trip is under way: what says so is still on its way to here
      this.isPlaceMissed = !hasEnded(this.state.status);
      return;
    }
    this.isPlaceMissed = false;
    const text = payload.toString();
    const { recordedAt } = JSON.parse(text) as { recordedAt: string };
    if (recordedAt <= this.recordedAt) return;
    if (this.stream.sendIfFast('location', text)) this.recordedAt = recordedAt;
  }

  /** What was before. Of the time when another driver had the trip, this one is shown nothing. */
  private replay(state: FollowState, message: TripStatusMessage): void {
    if (mayFollow(this.identity, { ...state, driverId: message.driverId })) this.send(message);
  }

  private send(message: TripStatusMessage): void {
    this.stream.send('status', JSON.stringify(message), message.version);
  }

  /** Where the driver is now. */
  private show(): void {
    const driverId = this.state?.driverId ?? undefined;
    const location = driverId === undefined ? undefined : this.snapshot(driverId);
    if (location instanceof Promise) location.then((found) => found && this.location(found));
    else if (location !== undefined) this.location(location);
  }
}
