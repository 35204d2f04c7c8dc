import type { AedesOptions, Subscription } from 'aedes';
import type { SessionStore } from '../shared/session-store/index.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import { authorizeFilter } from '../shared/topics.ts';
import { mayFollow } from '../shared/trips/status.ts';
import { limits } from './limits.ts';
import type { Session, SessionClient } from './session.ts';
import type { TripWatch } from './trip-watch.ts';

/** The subscription objects that were granted: Aedes hands the same ones to the session store. */
const granted = new WeakSet<object>();

/** The one trip that a filter is about; undefined: none, or more than one. */
export function tripOfFilter(filter: string): string | undefined {
  const [first, id] = filter.split('/');
  return first === 'trips' && id !== undefined && id !== '+' && id !== '#' ? id : undefined;
}

/** SUBSCRIBE: a filter that reaches further than its user may see gets SUBACK 0x80; the connection stays. */
export function createSubscribeHandler(
  watch: TripWatch,
  log: Logger,
): NonNullable<AedesOptions['authorizeSubscribe']> {
  async function isGranted(
    client: SessionClient,
    session: Session,
    subscription: Subscription,
  ): Promise<boolean> {
    const { permission } = authorizeFilter(session.identity, subscription.topic);
    if (permission === 'refused' || !hasRoom(client, subscription)) return false;
    const tripId = tripOfFilter(subscription.topic);
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
    // A session that is taken up again gets no snapshot (MQTT 3.1.1, 3.1.2.4)
    if (client.connected) session.awaiting.add(tripId);
    return true;
  }

  return (aedesClient, subscription, callback) => {
    const client = aedesClient as SessionClient;
    const { session } = client;
    if (session === undefined) return callback(new Error('no session'));
    isGranted(client, session, subscription).then(
      (yes) => {
        if (yes) granted.add(subscription);
        else log.debug({ sub: session.identity.sub, filter: subscription.topic }, 'subscription refused');
        callback(null, yes ? subscription : null);
      },
      (error: unknown) => {
        log.warn(
          { err: error, sub: session.identity.sub },
          'a subscription could not be checked, and is refused',
        );
        callback(null, null);
      },
    );
  };
}

function hasRoom(client: SessionClient, { topic }: Subscription): boolean {
  return topic in client.subscriptions || Object.keys(client.subscriptions).length < limits.maxSubscriptions;
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
