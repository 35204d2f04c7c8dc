import type { EmittedMessage, Emitter } from '../../shared/emitter/index.ts';
import type { Logger } from '../../shared/telemetry/log.ts';
import { topicFor } from '../../shared/topics.ts';
import type { FollowStates } from '../../shared/trips/follow-states.ts';
import { GapCloser } from '../../shared/trips/gap-closer.ts';
import type { TripStatusMessage } from '../../shared/trips/trip.ts';

export type TripFollower = {
  /** The last version that it has been told; undefined: none yet. */
  readonly told: number | undefined;
  /** What was lost, as the database has it. */
  missed(messages: readonly TripStatusMessage[]): void;
  /** Messages may have been lost. */
  gap(): void;
  status(message: TripStatusMessage): void;
  location(payload: Buffer): void;
};

export type TripFollowersOptions = {
  emitter: Emitter;
  followStates: Pick<FollowStates, 'since'>;
  /** Messages may have been lost on their way from other processes. */
  onGap(listener: () => void): void;
  log: Logger;
};

/** One subscription a trip, however many follow it here; and one look-up of what was lost on the way. */
export class TripFollowers {
  private readonly trips = new Map<string, { followers: Set<TripFollower>; stop(): void }>();
  private readonly emitter: Emitter;
  private readonly gaps: GapCloser;

  constructor({ emitter, followStates, onGap, log }: TripFollowersOptions) {
    this.emitter = emitter;
    const followed = {
      tripIds: () => this.trips.keys(),
      toldOf: (tripId: string) => this.toldOf(tripId),
      missed: (tripId: string, messages: readonly TripStatusMessage[]) => {
        for (const follower of this.followers(tripId)) follower.missed(messages);
      },
    };
    this.gaps = new GapCloser(followStates, followed, log);
    onGap(() => {
      for (const tripId of this.trips.keys()) for (const follower of this.followers(tripId)) follower.gap();
    });
  }

  /** A message of this trip was lost. */
  closeGap(tripId: string): void {
    this.gaps.close(tripId);
  }

  /** The returned function ends it. */
  add(tripId: string, follower: TripFollower): () => void {
    const known = this.trips.get(tripId) ?? this.subscribe(tripId);
    known.followers.add(follower);
    return () => {
      known.followers.delete(follower);
      if (known.followers.size > 0) return;
      known.stop();
      if (this.trips.get(tripId) === known) this.trips.delete(tripId);
    };
  }

  private followers(tripId: string): TripFollower[] {
    return [...(this.trips.get(tripId)?.followers ?? [])];
  }

  /** By whoever was told least. */
  private toldOf(tripId: string): number | undefined {
    const told = this.followers(tripId).flatMap((follower) => follower.told ?? []);
    return told.length === 0 ? undefined : Math.min(...told);
  }

  private subscribe(tripId: string) {
    const followers = new Set<TripFollower>();
    const onStatus = (message: EmittedMessage, done: () => void) => {
      const status = JSON.parse(message.payload.toString()) as TripStatusMessage;
      for (const follower of followers) follower.status(status);
      done();
    };
    const onLocation = (message: EmittedMessage, done: () => void) => {
      for (const follower of followers) follower.location(message.payload);
      done();
    };
    const topics = [
      [topicFor('tripStatus', tripId), onStatus],
      [topicFor('tripLocation', tripId), onLocation],
    ] as const;
    for (const [topic, listener] of topics) this.emitter.on(topic, listener);
    const entry = {
      followers,
      stop: () => {
        for (const [topic, listener] of topics) this.emitter.removeListener(topic, listener);
      },
    };
    this.trips.set(tripId, entry);
    return entry;
  }
}
