import type { AedesOptions, AedesPublishPacket } from 'aedes';
import type { MqttLimits } from '../shared/config/mqtt-limits.ts';
import type { Metrics } from '../shared/telemetry/metrics.ts';
import { filterMatches } from './filters.ts';
import type { Session, SessionClient } from './session.ts';
import { WITHHELD } from './session-queue.ts';
import { WAITED } from './take-up.ts';

export type Delivery = AedesPublishPacket & { payload: Buffer; [WAITED]?: boolean; [WITHHELD]?: boolean };

export type DeliveryRules = {
  /** Is each message of this topic asked about? Otherwise those of QoS 0 are not: nothing ends the right to it, but with the subscription. */
  isAskedAlways(topic: string): boolean;
  /** `later`: it stays in the queue of its session. `never`: it does not. */
  verdict(session: Session, packet: Delivery): 'now' | 'later' | 'never';
  /** It was asked about, and goes out. */
  sent(session: Session, packet: Delivery): void;
};

/** The highest QoS that the client asked for among its filters that match; undefined: none does. Aedes looks at exact filters alone. */
export function grantedQos(client: SessionClient, topic: string): 0 | 1 | 2 | undefined {
  let qos: 0 | 1 | 2 | undefined;
  for (const filter in client.subscriptions) {
    const subscription = client.subscriptions[filter];
    if (subscription !== undefined && subscription.qos > (qos ?? -1) && filterMatches(filter, topic))
      qos = subscription.qos;
  }
  return qos;
}

/**
 * Aedes leaves out what a client has had already, but does not note what it sends from a queue: the same message, come live
 * meanwhile, would go out twice.
 */
function remember({ duplicates }: SessionClient, { brokerId, brokerCounter }: AedesPublishPacket): void {
  if (brokerId && brokerCounter !== undefined)
    duplicates[brokerId] = Math.max(duplicates[brokerId] ?? 0, brokerCounter);
}

/**
 * What is live comes here for a filter of QoS 1 or 2 alone, and may stand in a queue: it must be acknowledged, even where the filter
 * has just gone. A retained message comes for any filter, and stands in none.
 */
const atLeast = (least: 0 | 1, qos: 0 | 1 | 2) => Math.max(least, qos) as 0 | 1 | 2;

/** Aedes has given a message id to what it sends from the queue. */
export const isLive = (packet: Delivery) =>
  !packet.retain && !packet[WAITED] && packet.messageId === undefined;

/** Its session is being taken up again, and has first what waited. This one stands in the queue, too, if its filter is not of QoS 0. */
function mustWait(client: SessionClient, session: Session, { topic }: Delivery): boolean {
  if (session.held === undefined || (grantedQos(client, topic) ?? 0) === 0) return false;
  session.held++;
  return true;
}

/**
 * Each message on its way to each subscriber. Positions are left out for a reader that does not keep up: a newer one
 * replaces them, and nobody else waits. What the policy wants to be asked about, and all that may come from a queue, is checked once
 * more: a subscription may outlive its right.
 */
export function createDeliverHandler(
  rules: DeliveryRules,
  limits: Pick<MqttLimits, 'slowReaderBytes' | 'frozenReaderBytes'>,
  metrics: Metrics,
): NonNullable<AedesOptions['authorizeForward']> {
  return (aedesClient, aedesPacket) => {
    const packet = aedesPacket as Delivery;
    const client = aedesClient as SessionClient;
    const { session } = client;
    if (session === undefined) return null;
    const { topic, qos, retain } = packet;
    // Nothing can be written to it any more, and its trips are not watched for it. What is refused, Aedes takes out of the
    // queue of a session that will come back for it
    if (client.conn.destroyed) return packet;
    if (qos === 0) {
      // MQTT 3.1.1, 3.2.0-1: a session that is taken up is subscribed before
      if (!client.connackSent) return null;
      if (client.conn.writableLength > limits.slowReaderBytes) {
        metrics.dropped.count('slow_reader');
        return null;
      }
      if (!rules.isAskedAlways(topic)) return packet;
    } else if (client.conn.writableLength > limits.frozenReaderBytes) {
      // What may not be left out is kept in its session, if it has one that lasts: it can come back for it
      metrics.dropped.count('frozen_reader');
      setImmediate(() => client.close());
      return null;
    }
    const verdict = rules.verdict(session, packet);
    if (verdict === 'never') packet[WITHHELD] = true;
    if (verdict !== 'now') return null;
    if (qos > 0 && isLive(packet) && mustWait(client, session, packet)) return null;
    rules.sent(session, packet);
    if (qos === 0) return packet;
    remember(client, packet);
    if (qos === 2 || retain)
      packet.qos = Math.min(qos, atLeast(retain ? 0 : 1, grantedQos(client, topic) ?? 0)) as 0 | 1 | 2;
    return packet;
  };
}
