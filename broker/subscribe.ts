import type { AedesOptions, Subscription } from 'aedes';
import type { MqttLimits } from '../shared/config/mqtt-limits.ts';
import type { SessionStore } from '../shared/session-store/index.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import { authorizeFilter } from '../shared/topics.ts';
import { mayFollow } from '../shared/trips/status.ts';
import type { Policy } from './policy.ts';
import { aboutClient, type Session, type SessionClient } from './session.ts';
import { isTopicTooLarge, type TopicLimits } from './topic-size.ts';
import type { TripWatch } from './trip-watch.ts';

/** The subscription objects that were granted: Aedes hands the same ones to the session store. */
const granted = new WeakSet<object>();

/** The one trip that a filter is about; undefined: none, or more than one. */
export function tripOfFilter(filter: string): string | undefined {
  const [first, id] = filter.split('/');
  return first === 'trips' && id !== undefined && id !== '+' && id !== '#' ? id : undefined;
}

/** The filters of the table of topics; of a trip, to its parties, who follow it from then on. */
export function createTripSubscriptions(watch: TripWatch): Policy['subscribe'] {
  /** For a filter that the table of topics does not refuse. */
  async function isGranted(
    client: SessionClient,
    session: Session,
    { topic }: Subscription,
    permission: 'granted' | 'ask-trip',
  ): Promise<boolean> {
    const tripId = tripOfFilter(topic);
    if (tripId === undefined) return true;
    const trip = await watch.follow(client, tripId);
    if (client.closed) {
      watch.unfollow(client, tripId);
      return false;
    }
    if (trip === undefined) return permission === 'granted';
    if (!mayFollow(session.identity, trip)) {
      if (!session.trips.has(tripId)) watch.unfollow(client, tripId);
      return false;
    }
    session.trips.add(tripId);
    // A session that is taken up again, before its CONNACK, gets no snapshot (MQTT 3.1.1, 3.1.2.4). `connected` comes later, after the
    // first SUBSCRIBE of a client that loses no time
    if (client.connackSent) {
      const { subscribes = 0, version = trip.messages.at(-1)?.version ?? 0 } =
        session.awaiting.get(topic) ?? {};
      session.awaiting.set(topic, { subscribes: subscribes + 1, version });
    }
    return true;
  }

  return (client, session, subscription) => {
    const { permission } = authorizeFilter(session.identity, subscription.topic);
    return permission === 'refused' ? false : isGranted(client, session, subscription, permission);
  };
}

/** SUBSCRIBE: a filter that is not granted gets SUBACK 0x80; the connection stays. */
export function createSubscribeHandler(
  policy: Pick<Policy, 'subscribe'>,
  limits: Pick<MqttLimits, 'maxSubscriptions'> & TopicLimits,
  log: Logger,
): NonNullable<AedesOptions['authorizeSubscribe']> {
  return (aedesClient, subscription, callback) => {
    const client = aedesClient as SessionClient;
    const { session } = client;
    if (session === undefined) return callback(new Error('no session'));
    const { filters } = session;
    const { topic } = subscription;
    const refuse = () => {
      log.debug(
        { ...aboutClient(client), filter: topic.slice(0, limits.maxTopicLength) },
        'subscription refused',
      );
      callback(null, null);
    };
    if (isTopicTooLarge(topic, limits)) return refuse();
    const isNew = !filters.has(topic);
    if (isNew && filters.size >= limits.maxSubscriptions) return refuse();
    const isGranted = policy.subscribe(client, session, subscription);
    if (isGranted === false) return refuse();
    // Its place is taken at once: a SUBSCRIBE can hold thousands of filters, and Aedes has none of them until all are decided
    filters.add(topic);
    const takeBack = () => {
      if (isNew) filters.delete(topic);
      refuse();
    };
    Promise.resolve(isGranted).then(
      (yes) => {
        if (!yes) return takeBack();
        granted.add(subscription);
        callback(null, subscription);
      },
      (error: Error) => {
        log.warn(
          { err: error, ...aboutClient(client) },
          'a subscription could not be checked, and is refused',
        );
        // A session that is taken up again is not let in: it would lose this filter unknowingly, and what waits for it
        if (!client.connackSent) return callback(error);
        takeBack();
      },
    );
  };
}

/** Aedes stores every filter of a SUBSCRIBE as soon as one of them is granted, the refused ones too: those are left out here. */
export function storeOnlyGranted(store: SessionStore): void {
  const addSubscriptions = store.addSubscriptions.bind(store);
  store.addSubscriptions = (client, subscriptions) =>
    addSubscriptions(
      client,
      subscriptions.filter((subscription) => granted.has(subscription)),
    );
}
