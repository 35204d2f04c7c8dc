import { grantedQos } from './deliver.ts';
import type { SessionClient } from './session.ts';

type Subscription = SessionClient['subscriptions'][string];
type Message = { topic: string; qos: number };

/** The QoS that the client has asked for, of filters whose QoS is another at the moment. */
const asked = new WeakMap<Subscription, Subscription['qos']>();

/**
 * A message that several filters of one client match goes out once, at the highest QoS of them (MQTT 3.1.1, 3.3.5-1). Aedes hands it to each, and
 * sends it for the first: one of QoS 0 is passed over here where another has it at more. And Aedes goes by the QoS of a filter that
 * equals the topic, when it sends, an immediate later: just for that moment it is the highest.
 */
export function deliverAtHighestQos(client: SessionClient): void {
  const { deliver0, deliverQoS } = client;

  client.deliver0 = (packet, done) => {
    const { topic, qos } = packet as Message;
    if (qos > 0 && (grantedQos(client, topic) ?? 0) > 0) setImmediate(done);
    else deliver0(packet, done);
  };

  client.deliverQoS = (packet, done) => {
    const { topic, qos } = packet as Message;
    const exact = qos > 0 ? client.subscriptions[topic] : undefined;
    const highest = exact === undefined ? undefined : grantedQos(client, topic);
    if (exact === undefined || highest === undefined || exact.qos === highest)
      return deliverQoS(packet, done);
    const own = asked.get(exact) ?? exact.qos;
    asked.set(exact, own);
    setImmediate(() => {
      exact.qos = highest;
    });
    deliverQoS(packet, done);
    setImmediate(() => {
      exact.qos = own;
    });
  };
}
