import type { Identity } from '../../shared/auth/identity.ts';
import type { FollowState } from '../../shared/trips/sql/find-follow-states.ts';
import { hasEnded, mayFollow, maySeeDriver } from '../../shared/trips/status.ts';
import type { TripStatusMessage } from '../../shared/trips/trip.ts';
import type { EventStream } from './event-stream.ts';
import type { TripFollower } from './trip-followers.ts';

/**
 * One client following one trip: what was there first, then what comes, each status once and in order, no position before the
 * last one, nothing that its user may not see at that moment. Until it is started, what comes is kept.
 */
export class LiveTrip implements TripFollower {
  private state: FollowState | undefined;
  private early: TripStatusMessage[] = [];
  private version = 0;
  private recordedAt = '';
  private readonly stream: EventStream;
  private readonly identity: Identity;
  private readonly end: () => void;

  /** `end`: the trip is over, or the user may not follow it any more. */
  constructor(stream: EventStream, identity: Identity, end: () => void) {
    this.stream = stream;
    this.identity = identity;
    this.end = end;
  }

  /** `messages`: the statuses to begin with; none: it has seen them all. `location`: the last location message. */
  start(state: FollowState, messages: readonly TripStatusMessage[], location: Buffer | undefined): void {
    this.state = state;
    const latest = state.messages.at(-1)?.version ?? 0;
    this.version = (messages[0]?.version ?? latest + 1) - 1;
    // Whoever comes back after the end has nothing to wait for
    if (messages.length === 0 && hasEnded(state.status)) return this.end();
    for (const message of messages) this.status(message);
    for (const message of this.early.splice(0)) this.status(message);
    if (location !== undefined) this.location(location);
  }

  status(message: TripStatusMessage): void {
    if (this.state === undefined) {
      this.early.push(message);
      return;
    }
    if (message.version <= this.version) return;
    this.version = message.version;
    const before = this.state;
    this.state = { ...before, status: message.status, driverId: message.driverId };
    const ended = hasEnded(message.status);
    // A guest's right ends with the trip: that it has ended is the last that it sees
    if (!mayFollow(this.identity, ended ? { ...this.state, status: before.status } : this.state))
      return this.end();
    this.stream.send('status', JSON.stringify(message), message.version);
    if (ended) this.end();
  }

  location(payload: Buffer): void {
    if (this.state === undefined || !maySeeDriver(this.identity, this.state)) return;
    const text = payload.toString();
    const { recordedAt } = JSON.parse(text) as { recordedAt: string };
    if (recordedAt <= this.recordedAt) return;
    if (this.stream.sendIfFast('location', text)) this.recordedAt = recordedAt;
  }
}
