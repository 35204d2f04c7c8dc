import type { SessionStore } from '../shared/session-store/index.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import { topicFor } from '../shared/topics.ts';
import type { FollowStates } from '../shared/trips/follow-states.ts';
import { GapCloser } from '../shared/trips/gap-closer.ts';
import type { TripStatusMessage } from '../shared/trips/trip.ts';
import { grantedQos } from './deliver.ts';
import type { Session, SessionClient } from './session.ts';
import { sendWaiting, WAITED } from './take-up.ts';
import { isAwaiting } from './trip-deliveries.ts';
import type { TripWatch } from './trip-watch.ts';

export type CatchUpOptions = {
  watch: TripWatch;
  followStates: Pick<FollowStates, 'since'>;
  sessionStore: SessionStore;
  /** What else is to happen when a trip has moved on. */
  movedOn(tripId: string): void;
  everyClient(): readonly SessionClient[];
  log: Logger;
};

/** Until it was written, or can't be. */
const send = (client: SessionClient, topic: string, message: TripStatusMessage, qos: 0 | 1 | 2) =>
  new Promise<void>((resolve) => {
    const payload = Buffer.from(JSON.stringify(message));
    const packet = { cmd: 'publish', topic, payload, qos, retain: false, dup: false, brokerId: null };
    client.deliverQoS({ ...packet, [WAITED]: true }, () => resolve());
  });

/**
 * Messages between processes can be lost. Whoever follows a trip is sent every version that it has not had, in order, and what is
 * live after that: out of the queue of its session what stands there, the rest as the database has it.
 */
export function createCatchUp(options: CatchUpOptions) {
  const { watch, sessionStore, movedOn, log } = options;

  /** `told`: what all followers had before; whoever took up its session again was not shown anything since. */
  async function bring(client: SessionClient, session: Session, tripId: string, told: number): Promise<void> {
    const topic = topicFor('tripStatus', tripId);
    for (let last = told; ; ) {
      await sendWaiting(client, sessionStore, log);
      last = Math.max(last, session.shown.get(tripId) ?? 0);
      const next = watch.state(tripId)?.messages.find(({ version }) => version > last);
      const qos = grantedQos(client, topic);
      if (next === undefined || qos === undefined || client.closed || !session.trips.has(tripId)) break;
      await send(client, topic, next, qos);
      last = next.version;
    }
    session.behind.delete(tripId);
  }

  function missed(tripId: string, messages: readonly TripStatusMessage[]): void {
    const topic = topicFor('tripStatus', tripId);
    const told = watch.version(tripId);
    watch.fill(tripId, messages);
    if (watch.version(tripId) === told) return;
    for (const client of watch.followers(tripId)) {
      const { session } = client;
      // What is awaited will hold it, and who is being caught up on it already comes to it
      if (session === undefined || !session.trips.has(tripId)) continue;
      if (isAwaiting(session, topic) || session.behind.has(tripId)) continue;
      session.behind.add(tripId);
      void bring(client, session, tripId, told);
    }
    movedOn(tripId);
  }

  const gaps = new GapCloser(
    options.followStates,
    { tripIds: () => watch.tripIds(), toldOf: (tripId) => watch.toldOf(tripId), missed },
    log,
  );

  return {
    /** A message of this trip has come, and one before it has not. */
    skipped: (tripId: string) => gaps.close(tripId),

    /** Messages of any topic may have been lost. */
    closeGap(): void {
      gaps.closeAll();
      for (const client of options.everyClient()) void sendWaiting(client, sessionStore, log);
    },
  };
}
