import type { AedesOptions } from 'aedes';
import type { Metrics } from '../shared/telemetry/metrics.ts';
import { authorizeFilter } from '../shared/topics.ts';
import { maySeeDriver, partyOf } from '../shared/trips/status.ts';
import { filterMatches } from './filters.ts';
import { limits } from './limits.ts';
import type { Session, SessionClient } from './session.ts';
import type { TripWatch } from './trip-watch.ts';

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

const TRIPS = 'trips/';

/** May this message of a trip go to this client, now? The right may have ended since the subscription was granted. */
function mayReceive(session: Session, watch: TripWatch, topic: string): boolean {
  const { identity } = session;
  const permission = authorizeFilter(identity, topic).permission;
  if (!topic.startsWith(TRIPS)) return permission === 'granted';
  if (permission === 'refused') return false;
  if (identity.role === 'OPERATOR' || identity.role === 'SERVICE') return true;
  const end = topic.indexOf('/', TRIPS.length);
  const trip = watch.state(topic.slice(TRIPS.length, end));
  if (trip === undefined) return false;
  return topic.endsWith('/location') ? maySeeDriver(identity, trip) : partyOf(identity, trip) !== undefined;
}

/** Its snapshot comes first, and holds whatever comes now. */
function isAwaiting(session: Session, topic: string): boolean {
  if (session.awaiting.size === 0 || !topic.startsWith(TRIPS)) return false;
  return session.awaiting.has(topic.slice(TRIPS.length, topic.indexOf('/', TRIPS.length)));
}

/**
 * Each message on its way to each subscriber. Positions are left out for a reader that does not keep up: a newer one
 * replaces them, and nobody else waits. What belongs to a trip, and all that may come from a queue, is checked once more: a
 * subscription may outlive its right.
 */
export function createDeliverHandler(
  watch: TripWatch,
  metrics: Metrics,
): NonNullable<AedesOptions['authorizeForward']> {
  return (aedesClient, packet) => {
    const client = aedesClient as SessionClient;
    const { session } = client;
    if (session === undefined) return null;
    const { topic, qos, retain } = packet;
    if (qos === 0) {
      if (client.conn.writableLength > limits.slowReaderBytes) {
        metrics.dropped.inc({ reason: 'slow_reader' });
        return null;
      }
      if (!topic.startsWith(TRIPS)) return packet;
    }
    if (!mayReceive(session, watch, topic) || (!retain && isAwaiting(session, topic))) return null;
    if (qos === 2 && client.connected)
      packet.qos = Math.min(2, Math.max(1, grantedQos(client, topic))) as 1 | 2;
    return packet;
  };
}
