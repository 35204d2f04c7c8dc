import type { AedesOptions } from 'aedes';
import type { Metrics } from '../shared/telemetry/metrics.ts';
import { authorizeFilter } from '../shared/topics.ts';
import { limits } from './limits.ts';
import type { SessionClient } from './session.ts';

/** Does a topic filter match a topic name (MQTT 3.1.1, 4.7)? */
export function filterMatches(filter: string, topic: string): boolean {
  if (filter === topic) return true;
  const asked = filter.split('/');
  const levels = topic.split('/');
  for (let index = 0; index < asked.length; index++) {
    if (asked[index] === '#') return true;
    if (index === levels.length) return false;
    if (asked[index] !== '+' && asked[index] !== levels[index]) return false;
  }
  return asked.length === levels.length;
}

/** The highest QoS that the client asked for among its filters that match. Aedes looks at exact filters alone. */
function grantedQos(client: SessionClient, topic: string): 0 | 1 | 2 {
  let qos: 0 | 1 | 2 = 0;
  for (const filter in client.subscriptions) {
    const subscription = client.subscriptions[filter];
    if (subscription !== undefined && subscription.qos > qos && filterMatches(filter, topic))
      qos = subscription.qos;
  }
  return qos;
}

/**
 * Each message on its way to each subscriber. Positions are left out for a reader that does not keep up: a newer one
 * replaces them, and nobody else waits. Statuses and errors are checked once more: they may come from a queue that is older
 * than what the user may see now.
 */
export function createDeliverHandler(metrics: Metrics): NonNullable<AedesOptions['authorizeForward']> {
  return (aedesClient, packet) => {
    const client = aedesClient as SessionClient;
    if (packet.qos === 0) {
      if (client.conn.writableLength <= limits.slowReaderBytes) return packet;
      metrics.dropped.inc({ reason: 'slow_reader' });
      return null;
    }
    if (client.session === undefined) return null;
    if (authorizeFilter(client.session.identity, packet.topic).permission !== 'granted') return null;
    if (packet.qos === 2 && client.connected)
      packet.qos = Math.min(2, Math.max(1, grantedQos(client, packet.topic))) as 1 | 2;
    return packet;
  };
}
