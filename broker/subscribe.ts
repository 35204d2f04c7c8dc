import type { AedesOptions, Subscription } from 'aedes';
import type { SessionStore } from '../shared/session-store/index.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import { authorizeFilter } from '../shared/topics.ts';
import { limits } from './limits.ts';
import type { SessionClient } from './session.ts';

/** The subscription objects that were granted: Aedes hands the same ones to the session store. */
const granted = new WeakSet<object>();

/** SUBSCRIBE: a filter that reaches further than its user may see gets SUBACK 0x80; the connection stays. */
export function createSubscribeHandler(log: Logger): NonNullable<AedesOptions['authorizeSubscribe']> {
  return (aedesClient, subscription, callback) => {
    const client = aedesClient as SessionClient;
    const { session } = client;
    if (session === undefined) return callback(new Error('no session'));
    const { permission } = authorizeFilter(session.identity, subscription.topic);
    if (permission === 'granted' && hasRoom(client, subscription)) {
      granted.add(subscription);
      return callback(null, subscription);
    }
    log.debug({ sub: session.identity.sub, filter: subscription.topic }, 'subscription refused');
    callback(null, null);
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
