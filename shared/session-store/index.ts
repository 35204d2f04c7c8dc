import type { EmittedMessage } from '../emitter/index.ts';

export type StoredSubscription = { clientId: string; topic: string; qos: 0 | 1 | 2 };

/** A message in a session's queue. It has a message id (MQTT's packet identifier) once it was sent. */
export type QueuedPacket = {
  cmd?: string;
  brokerId?: string;
  brokerCounter?: number;
  messageId?: number | undefined;
  /** It is sent once more. */
  dup?: boolean;
  /** It was published to be retained. */
  retain?: boolean;
};

/**
 * Port: what is kept of MQTT sessions while their clients are away (subscriptions, queued messages), and the retained
 * messages. The broker needs all of Aedes' persistence; what we use ourselves is named here.
 */
export type SessionStore = {
  storeRetained(message: EmittedMessage): Promise<void>;
  subscriptionsByTopic(topic: string): Promise<StoredSubscription[]>;
  /** Rejects when the queue of this session is full of what was sent and never acknowledged. */
  outgoingEnqueue(subscription: { clientId: string }, message: QueuedPacket): Promise<void>;
  /** A full queue loses the oldest message that was not sent yet. */
  outgoingEnqueueCombi(subscriptions: StoredSubscription[], message: EmittedMessage): Promise<void>;
  /** The queue of a session, the oldest message first. */
  outgoingStream(client: { id: string }): AsyncIterable<QueuedPacket>;
  /** Notes the message id under which a queued message (by brokerId and brokerCounter) is sent. Rejects when it is not there. */
  outgoingUpdate(client: { id: string }, packet: QueuedPacket): Promise<unknown>;
  /** Takes the first message with this message id out of the queue. undefined: there is none. */
  outgoingClearMessageId(client: { id: string }, packet: QueuedPacket): Promise<unknown>;
  /** Notes a QoS 2 message that came, by its message id, until it is released. */
  incomingStorePacket(client: { id: string }, packet: { messageId?: number }): Promise<void>;
  /** A QoS 2 message that came and is not released yet. Rejects when there is none. */
  incomingGetPacket(client: { id: string }, packet: { messageId?: number }): Promise<unknown>;
  /** It is released. Rejects when there is none. */
  incomingDelPacket(client: { id: string }, packet: { messageId?: number }): Promise<void>;
  /** What came in a session that has ended, and was never released. */
  cleanIncoming?(client: { id: string }): Promise<void>;
  removeSubscriptions(client: object, filters: string[]): Promise<void>;
  addSubscriptions(client: object, subscriptions: object[]): Promise<void>;
  /** Forgets the last will that is kept for the case that this broker dies. */
  delWill(client: { id: string }): Promise<unknown>;
  destroy(): Promise<void>;
};
