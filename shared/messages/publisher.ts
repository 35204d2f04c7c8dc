import { randomUUID } from 'node:crypto';
import type { EmittedMessage, Emitter } from '../emitter/index.ts';
import type { SessionStore, StoredSubscription } from '../session-store/index.ts';

export type Message = { topic: string; payload: Buffer; retain?: boolean };

/**
 * Sends messages to subscribers, from any process that has the emitter and the session store.
 *
 * A client drops a message whose counter is not above the last one that it had from the same sender id, taking it for a
 * double. What waits for the session store would be overtaken by what doesn't, and be lost: so the two kinds go out under
 * ids of their own.
 */
export type Publisher = {
  /** QoS 0, kept nowhere: a newer one replaces a lost one. Calls back when it was written to the subscribers here. */
  stream(topic: string, payload: Buffer, written?: () => void): void;
  /** At the QoS that each subscriber asked for, kept for the sessions that are away. In the order of the calls. */
  notify(message: Message): Promise<void>;
};

export function createPublisher(emitter: Emitter, store: SessionStore): Publisher {
  const streamId = randomUUID();
  const notifyId = randomUUID();
  let streamed = 0;
  let notified = 0;
  let last: Promise<void> = Promise.resolve();

  const keep = async (message: EmittedMessage): Promise<void> => {
    if (message.retain) await store.storeRetained(message);
    // What is sent after a reconnect goes out as it is queued here: once, at the highest QoS of the session's filters that
    // match, and without the flag that marks what was retained before the subscription (MQTT 3.1.1, 3.3.1-9)
    const queues = highestQos(await store.subscriptionsByTopic(message.topic));
    for (const qos of [1, 2] as const) {
      const some = queues.filter((subscription) => subscription.qos === qos);
      if (some.length > 0) await store.outgoingEnqueueCombi(some, { ...message, qos, retain: false });
    }
  };

  return {
    stream(topic, payload, written) {
      emitter.emit(
        {
          cmd: 'publish',
          topic,
          payload,
          qos: 0,
          retain: false,
          brokerId: streamId,
          brokerCounter: ++streamed,
        },
        written,
      );
    },

    notify({ topic, payload, retain = false }) {
      // QoS 2 is the most that a subscriber can have asked for: the broker lowers it to what each did
      const message: EmittedMessage = {
        cmd: 'publish',
        topic,
        payload,
        qos: 2,
        retain,
        brokerId: notifyId,
        brokerCounter: ++notified,
      };
      // The store may be a round trip away: it is not waited for before the next one is handed to it
      const kept = keep(message);
      const sent = last.then(async () => {
        await kept;
        emitter.emit(message);
      });
      kept.catch(() => undefined);
      last = sent.catch(() => undefined);
      return sent;
    },
  };
}

/** One of each client's subscriptions. */
function highestQos(subscriptions: readonly StoredSubscription[]): StoredSubscription[] {
  const byClient = new Map<string, StoredSubscription>();
  for (const subscription of subscriptions) {
    const known = byClient.get(subscription.clientId);
    if (known === undefined || known.qos < subscription.qos)
      byClient.set(subscription.clientId, subscription);
  }
  return [...byClient.values()];
}
