import type { EmittedMessage, Emitter } from '../../shared/emitter/index.ts';
import { topicFor } from '../../shared/topics.ts';
import type { TripStatusMessage } from '../../shared/trips/trip.ts';

export type TripFollower = {
  status(message: TripStatusMessage): void;
  location(payload: Buffer): void;
};

/** One subscription a trip, however many follow it here. */
export class TripFollowers {
  private readonly trips = new Map<string, { followers: Set<TripFollower>; stop(): void }>();
  private readonly emitter: Emitter;

  constructor(emitter: Emitter) {
    this.emitter = emitter;
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
