import type { Logger } from '../telemetry/log.ts';
import type { FollowStates } from './follow-states.ts';
import type { TripStatusMessage } from './trip.ts';

/** Trips in one query. */
const AT_ONCE = 500;
/** While the database is away. */
const RETRY_MS = 2000;

/** The trips that are followed in this process. */
export type Followed = {
  tripIds(): Iterable<string>;
  /** Up to which version its followers have been told; undefined: nobody follows it any more. */
  toldOf(tripId: string): number | undefined | Promise<number | undefined>;
  /** What came after the version that was told when this was asked for, in order. Meanwhile some of it may have come as messages. */
  missed(tripId: string, messages: readonly TripStatusMessage[]): void;
};

/**
 * Looks up in the database what messages that were lost between processes have told of trips: every version that followers have not
 * had. One look-up at a time, for all trips that have one open; while the database is away it is tried again.
 */
export class GapCloser {
  private readonly open = new Set<string>();
  private isRunning = false;
  private readonly states: Pick<FollowStates, 'since'>;
  private readonly followed: Followed;
  private readonly log: Logger;

  constructor(states: Pick<FollowStates, 'since'>, followed: Followed, log: Logger) {
    this.states = states;
    this.followed = followed;
    this.log = log;
  }

  /** Messages of any trip may have been lost. */
  closeAll(): void {
    for (const tripId of this.followed.tripIds()) this.close(tripId);
  }

  /** A message of this trip was lost. */
  close(tripId: string): void {
    this.open.add(tripId);
    if (this.isRunning) return;
    this.isRunning = true;
    setImmediate(() => void this.run());
  }

  private async run(): Promise<void> {
    while (this.open.size > 0) {
      const tripIds = [...this.open].slice(0, AT_ONCE);
      for (const tripId of tripIds) this.open.delete(tripId);
      try {
        await this.lookUp(tripIds);
      } catch (error) {
        this.log.warn({ err: error }, 'what was lost could not be looked up; trying again');
        for (const tripId of tripIds) this.open.add(tripId);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
      }
    }
    this.isRunning = false;
  }

  private async lookUp(tripIds: readonly string[]): Promise<void> {
    const told = await Promise.all(tripIds.map(async (tripId) => this.followed.toldOf(tripId)));
    const known = tripIds.flatMap((tripId, index) => {
      const version = told[index];
      return version === undefined ? [] : { tripId, version };
    });
    if (known.length === 0) return;
    const byTrip = new Map<string, TripStatusMessage[]>();
    for (const message of await this.states.since(known))
      byTrip.set(message.tripId, [...(byTrip.get(message.tripId) ?? []), message]);
    for (const [tripId, messages] of byTrip) this.followed.missed(tripId, messages);
  }
}
