import { authorizeTopic } from '../shared/topics.ts';
import { hasEnded, maySeeDriver, partyOf } from '../shared/trips/status.ts';
import { type Delivery, type DeliveryRules, isLive } from './deliver.ts';
import { filterMatches } from './filters.ts';
import type { Session } from './session.ts';
import { newerLocation, recordedAtOf } from './snapshot.ts';
import type { TripWatch } from './trip-watch.ts';

const TRIPS = 'trips/';

/** A right to these may end, or a filter of these reach further than its user may see: each message is asked about. */
const isCheckedAlways = (topic: string) => topic.startsWith(TRIPS) || topic.startsWith('owntracks/');

const tripOf = (topic: string) => topic.slice(TRIPS.length, topic.indexOf('/', TRIPS.length));

const isTripStatus = (topic: string) => topic.startsWith(TRIPS) && topic.endsWith('/status');

/** A status. Whether the watch's own listener or a subscriber is the first to be handed what is live is open. */
const messageOf = (watch: TripWatch, packet: Delivery) =>
  isLive(packet) ? watch.hear(packet.payload) : watch.read(packet.payload);

/** May this message of a trip go to this client, now? The right may have ended since the subscription was granted. */
function mayReceive(session: Session, watch: TripWatch, packet: Delivery): boolean {
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
function followedChange({ trips }: Session, watch: TripWatch, packet: Delivery): Change | undefined {
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
function isOutOfOrder({ locating, located }: Session, { topic, payload }: Delivery): boolean {
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

/** What belongs to a trip goes to those alone who may have it now, once, and in order. */
export function createTripDeliveries(watch: TripWatch): DeliveryRules {
  return {
    isAskedAlways: isCheckedAlways,
    verdict(session, packet) {
      const live = isLive(packet);
      const change = followedChange(session, watch, packet);
      if (live && change !== undefined && comesLater(session, watch, change)) return 'later';
      const isInSnapshot = () => live && (isAwaiting(session, packet.topic) || isOutOfOrder(session, packet));
      const isRepeated = !packet.retain && change !== undefined && wasShown(session, change);
      return !mayReceive(session, watch, packet) || isInSnapshot() || isRepeated ? 'never' : 'now';
    },
    sent(session, packet) {
      const change = followedChange(session, watch, packet);
      if (change !== undefined) session.shown.set(change.tripId, change.version);
    },
  };
}
