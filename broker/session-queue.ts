import { Readable } from 'node:stream';
import type { QueuedPacket, SessionStore } from '../shared/session-store/index.ts';

/** Set on a message that is not forwarded to a client though one of its filters matches: it may not have it (any more). */
export const WITHHELD = Symbol('withheld');

type Packet = QueuedPacket & { [WITHHELD]?: boolean };

/** Message ids on the wire have 16 bits: this one never is there. */
const NO_WIRE_ID = 65_536;

/**
 * Puts right what Aedes does to the queues of sessions that outlive their connection.
 *
 * - What is live is looked for in the queue when it is sent. A message that went out while its SUBSCRIBE was being stored is not
 *   there, and Aedes would end the connection for it: it is queued then, until it is acknowledged.
 * - For what is not forwarded, Aedes takes out the first message without an id: any other that waits. Nothing is to be taken out
 *   for a second filter that matches the same message; what is withheld is taken out itself.
 * - What is sent once more to a client that is back has to say so; and what waited is no retained message, though it was published as one.
 * - A filter that begins with a wildcard does not match a topic that begins with `$`, in a queue as little as live.
 */
export function repairQueues(store: SessionStore): void {
  const stream = store.outgoingStream.bind(store);
  const update = store.outgoingUpdate.bind(store);
  const clear = store.outgoingClearMessageId.bind(store);
  const byTopic = store.subscriptionsByTopic.bind(store);

  store.subscriptionsByTopic = (topic) =>
    topic.startsWith('$')
      ? byTopic(topic).then((found) => found.filter((subscription) => !/^[+#]/.test(subscription.topic)))
      : byTopic(topic);

  store.outgoingStream = (client) => Readable.from(asItIsSent(stream(client)));

  store.outgoingUpdate = async (client, packet) => {
    try {
      return await update(client, packet);
    } catch {
      // A PUBREC for nothing is answered all the same
      if (packet.cmd !== 'publish') return undefined;
      await store.outgoingEnqueue({ clientId: client.id }, packet);
      return update(client, packet);
    }
  };

  store.outgoingClearMessageId = async (client, packet: Packet) => {
    if (packet.messageId !== undefined) return clear(client, packet);
    if (!packet[WITHHELD]) return undefined;
    const { brokerId, brokerCounter } = packet;
    if (brokerId === undefined || brokerCounter === undefined) return undefined;
    const marked = { cmd: 'publish', brokerId, brokerCounter, messageId: NO_WIRE_ID };
    return update(client, marked).then(
      () => clear(client, marked),
      () => undefined,
    );
  };
}

/** What has a message id was sent before (MQTT 3.1.1, 3.3.1-1); no subscription is new (3.3.1-9). */
async function* asItIsSent(packets: AsyncIterable<QueuedPacket>): AsyncGenerator<QueuedPacket> {
  for await (const packet of packets) {
    const dup = packet.messageId !== undefined;
    yield packet.cmd === 'publish' && (dup || packet.retain) ? { ...packet, dup, retain: false } : packet;
  }
}
