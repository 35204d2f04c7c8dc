import type { EmittedMessage } from '../emitter/index.ts';

export type StoredSubscription = { clientId: string; topic: string; qos: 0 | 1 | 2 };

/**
 * Port: what is kept of MQTT sessions while their clients are away (subscriptions, queued messages), and the retained
 * messages. The broker needs all of Aedes' persistence; a publisher only these.
 */
export type SessionStore = {
  storeRetained(message: EmittedMessage): Promise<void>;
  subscriptionsByTopic(topic: string): Promise<StoredSubscription[]>;
  outgoingEnqueueCombi(subscriptions: StoredSubscription[], message: EmittedMessage): Promise<void>;
  removeSubscriptions(client: object, filters: string[]): Promise<void>;
  addSubscriptions(client: object, subscriptions: object[]): Promise<void>;
  destroy(): Promise<void>;
};
