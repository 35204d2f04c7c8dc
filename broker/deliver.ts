import type { AedesOptions, AedesPublishPacket } from 'aedes';
import type { Metrics } from '../shared/telemetry/metrics.ts';
import { authorizeTopic } from '../shared/topics.ts';
import { hasEnded, maySeeDriver, partyOf } from '../shared/trips/status.ts';
import { filterMatches } from './filters.ts';
import { limits } from './limits.ts';
import type { Session, SessionClient } from './session.ts';
import { WITHHELD } from './session-queue.ts';
import { newerLocation, recordedAtOf } from './snapshot.ts';
import { WAITED } from './take-up.ts';
import type { TripWatch } from './trip-watch.ts';

type Packet = AedesPublishPacket & { payload: Buffer; [WAITED]?: boolean; [WITHHELD]?: boolean };

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

const TRIPS = 'trips/';

/** A right to these may end, or a filter of these reach further than its user may see: each message is asked about. */
const isCheckedAlways = (topic: string) => topic.startsWith(TRIPS) || topic.startsWith('owntracks/');

const tripOf = (topic: string) => topic.slice(TRIPS.length, topic.indexOf('/', TRIPS.length));

const isTripStatus = (topic: string) => topic.startsWith(TRIPS) && topic.endsWith('/status');

/** Aedes has given a message id to what it sends from the queue. */
const isLive = (packet: Packet) => !packet.retain && !packet[WAITED] && packet.messageId === undefined;

/** A status. Whether the watch's own listener or a subscriber is the first to be handed what is live is open. */
const messageOf = (watch: TripWatch, packet: Packet) =>
  isLive(packet) ? watch.hear(packet.payload) : watch.read(packet.payload);

/** May this message of a trip go to this client, now? The right may have ended since the subscription was granted. */
function mayReceive(session: Session, watch: TripWatch, packet: Packet): boolean {
  const { identity } = session;
  const { topic } = packet;
  const permission = authorizeTopic(identity, topic);
  if (!topic.startsWith(TRIPS)) return permission === 'granted';
  if (permission === 'refused') return false;
  if (identity.role === 'OPERATOR' || identity.role === 'SERVICE') return true;
  const message = isTripStatus(topic) ? messageOf(watch, packet) : undefined;
  const trip = watch.state(tripOf(topic));
  if (trip === undefined) return false;
  if (message !== undefined && message.version > watch.version(trip.id))
    return partyOf(identity, { ...trip, driverId: message.driverId }) !== undefined;
  if (!topic.endsWith('/location')) return partyOf(identity, trip) !== undefined;
  const maySee = maySeeDriver(identity, trip);
  // It is published, so the trip is under way: what says so is still on its way to here
  if (!maySee && !hasEnded(trip.status)) session.missed.add(trip.id);
  // This one is newer
  else if (session.missed.size > 0) session.missed.delete(trip.id);
  return maySee;
}

/** Its snapshot comes first, and holds whatever comes now. */
export function isAwaiting({ awaiting }: Session, topic: string): boolean {
  if (awaiting.size === 0 || !topic.startsWith(TRIPS)) return false;
  for (const filter of awaiting.keys()) if (filterMatches(filter, topic)) return true;
  return false;
}

type Change = { tripId: string; version: number };

/** What a message tells of a trip that this client follows; undefined: nothing. */
function followedChange({ trips }: Session, watch: TripWatch, packet: Packet): Change | undefined {
  if (trips.size === 0 || !isTripStatus(packet.topic)) return undefined;
  const tripId = tripOf(packet.topic);
  return trips.has(tripId) ? { tripId, version: messageOf(watch, packet).version } : undefined;
}

/** One before it was lost, and is just being made up for: this one comes after it, out of the queue or the database. */
const comesLater = ({ behind }: Session, watch: TripWatch, { tripId, version }: Change) =>
  behind.has(tripId) || version > watch.version(tripId);

/** What a client has had, of the database or of another message: nothing goes back behind it, and it comes once. */
const wasShown = ({ shown }: Session, { tripId, version }: Change) => version <= (shown.get(tripId) ?? 0);

const isTripLocation = (topic: string) => topic.startsWith(TRIPS) && topic.endsWith('/location');

/** Where the driver is, is being looked up, or was: nobody is to see an older place after a newer one. */
function isOutOfOrder({ locating, located }: Session, { topic, payload }: Packet): boolean {
  if ((locating.size === 0 && located.size === 0) || !isTripLocation(topic)) return false;
  const tripId = tripOf(topic);
  const looking = locating.get(tripId);
  if (looking !== undefined) {
    looking.newest = newerLocation(looking.newest, payload);
    return true;
  }
  const shown = located.get(tripId);
  if (shown === undefined) return false;
  if (recordedAtOf(payload) <= shown) return true;
  located.delete(tripId);
  return false;
}

/** Its session is being taken up again, and has first what waited. This one stands in the queue, too, if its filter is not of QoS 0. */
function mustWait(client: SessionClient, session: Session, { topic }: Packet): boolean {
  if (session.held === undefined || (grantedQos(client, topic) ?? 0) === 0) return false;
  session.held++;
  return true;
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
  return (aedesClient, aedesPacket) => {
    const packet = aedesPacket as Packet;
    const client = aedesClient as SessionClient;
    const { session } = client;
    if (session === undefined) return null;
    const { topic, qos, retain } = packet;
    // Nothing can be written to it any more, and its trips are not watched for it. What is refused, Aedes takes out of the
    // queue of a session that will come back for it
    if (client.conn.destroyed) return packet;
    if (qos === 0) {
      if (client.conn.writableLength > limits.slowReaderBytes) {
        metrics.dropped.count('slow_reader');
        return null;
      }
      if (!isCheckedAlways(topic)) return packet;
    } else if (client.conn.writableLength > limits.frozenReaderBytes) {
      // What may not be left out is kept in its session, if it has one that lasts: it can come back for it
      metrics.dropped.count('frozen_reader');
      setImmediate(() => client.close());
      return null;
    }
    const live = isLive(packet);
    const change = followedChange(session, watch, packet);
    // Not withheld: it stays in its session's queue
    if (live && change !== undefined && comesLater(session, watch, change)) return null;
    const isInSnapshot = () => live && (isAwaiting(session, topic) || isOutOfOrder(session, packet));
    const isRepeated = !retain && change !== undefined && wasShown(session, change);
    if (!mayReceive(session, watch, packet) || isInSnapshot() || isRepeated) {
      packet[WITHHELD] = true;
      return null;
    }
    if (qos > 0 && live && mustWait(client, session, packet)) return null;
    if (change !== undefined) session.shown.set(change.tripId, change.version);
    if (qos === 0) return packet;
    remember(client, packet);
    if (qos === 2) packet.qos = atLeast(retain ? 0 : 1, grantedQos(client, topic) ?? 0);
    return packet;
  };
}
