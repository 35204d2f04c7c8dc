import { TopicIndex } from '../emitter/topic-index.ts';
import type { SessionStore, StoredSubscription } from './index.ts';

type Store = SessionStore & { cleanSubscriptions(client: { id: string }): Promise<void> };
type Filter = { topic: string; qos: 0 | 1 | 2 };

const hasEmptyLevel = (topic: string) => topic.startsWith('/') || topic.endsWith('/') || topic.includes('//');

/**
 * `+` matches an empty level, too (MQTT 3.1.1, 4.7.1-3), but not in the tree of aedes-persistence: for topics that have one, and there are
 * none among ours, the filters with a `+` are looked up here.
 */
export function matchEmptyLevels(port: SessionStore): void {
  const store = port as Store;
  const add = store.addSubscriptions.bind(store);
  const remove = store.removeSubscriptions.bind(store);
  const clean = store.cleanSubscriptions.bind(store);
  const byTopic = store.subscriptionsByTopic.bind(store);
  const index = new TopicIndex<Map<string, StoredSubscription>>();
  const filtersOf = new Map<string, Set<string>>();

  function forget(clientId: string, filter: string): void {
    const own = filtersOf.get(clientId);
    if (own?.delete(filter) && own.size === 0) filtersOf.delete(clientId);
    const clients = index.get(filter);
    if (clients?.delete(clientId) && clients.size === 0) index.delete(filter);
  }

  function note(clientId: string, { topic, qos }: Filter): void {
    if (qos === 0) return forget(clientId, topic);
    const clients = index.get(topic) ?? new Map<string, StoredSubscription>();
    if (clients.size === 0) index.set(topic, clients);
    clients.set(clientId, { clientId, topic, qos });
    const own = filtersOf.get(clientId) ?? new Set();
    filtersOf.set(clientId, own.add(topic));
  }

  store.addSubscriptions = (client, subscriptions) => {
    for (const filter of subscriptions as Filter[])
      if (filter.topic.includes('+')) note((client as { id: string }).id, filter);
    return add(client, subscriptions);
  };

  store.removeSubscriptions = (client, filters) => {
    for (const filter of filters) forget((client as { id: string }).id, filter);
    return remove(client, filters);
  };

  store.cleanSubscriptions = (client) => {
    for (const filter of [...(filtersOf.get(client.id) ?? [])]) forget(client.id, filter);
    return clean(client);
  };

  store.subscriptionsByTopic = async (topic) => {
    const found = await byTopic(topic);
    if (!hasEmptyLevel(topic)) return found;
    const byClient = new Map(found.map((subscription) => [subscription.clientId, subscription]));
    for (const clients of index.matching(topic))
      for (const subscription of clients.values()) {
        const known = byClient.get(subscription.clientId);
        if (known === undefined || known.qos < subscription.qos)
          byClient.set(subscription.clientId, subscription);
      }
    return [...byClient.values()];
  };
}
