import type { Subscription } from 'aedes';
import type { Logger } from '../shared/telemetry/log.ts';
import { topicFor } from '../shared/topics.ts';
import { maySeeDriver } from '../shared/trips/status.ts';
import { filterMatches } from './filters.ts';
import { aboutClient, type Session, type SessionClient } from './session.ts';
import { tripOfFilter } from './subscribe.ts';
import type { TripWatch } from './trip-watch.ts';

/**
 * The last location message of a trip's driver; undefined: none is known, or the trip is not under way. At once where this process
 * knows it, else when it was looked up. Does not reject.
 */
export type LocationSnapshot = (
  driverId: string,
  tripId: string,
) => Buffer | undefined | Promise<Buffer | undefined>;

/** Of a location message. ISO 8601 in UTC: in the order of time. */
export const recordedAtOf = (payload: Buffer): string =>
  (JSON.parse(payload.toString()) as { recordedAt: string }).recordedAt;

export const newerLocation = (a: Buffer | undefined, b: Buffer | undefined): Buffer | undefined =>
  a === undefined || (b !== undefined && recordedAtOf(b) > recordedAtOf(a)) ? b : a;

/** SUBACK's return code (MQTT 3.1.1, 3.9.3). */
const REFUSED = 0x80;

type Awaited = { topic: string; qos: 0 | 1 | 2; version: number };

/**
 * What follows a SUBSCRIBE to a trip at once, retain flag set: where the trip stands and where the car is. It is made at the moment
 * of sending, and until then nothing live that its filter matches goes to this client: so what follows is never older.
 */
export function createSnapshots(watch: TripWatch, location: LocationSnapshot, log: Logger) {
  function send(
    client: SessionClient,
    topic: string,
    payload: Buffer,
    qos: 0 | 1 | 2,
    retain: boolean,
  ): void {
    // As Aedes sends retained messages: past the session's queue, where its `publish` would leave a copy for the next reconnect
    const packet = { cmd: 'publish', topic, payload, qos, retain, dup: false, brokerId: null };
    client.deliverQoS(packet, (error) => {
      if (error) log.debug({ err: error, ...aboutClient(client) }, 'a snapshot could not be sent');
    });
  }

  function sendStatus(client: SessionClient, tripId: string, awaited: readonly Awaited[]): void {
    const topic = topicFor('tripStatus', tripId);
    const matching = awaited.filter((filter) => filterMatches(filter.topic, topic));
    if (matching.length === 0) return;
    const qos = Math.max(...matching.map((filter) => filter.qos)) as 0 | 1 | 2;
    const since = Math.min(...matching.map((filter) => filter.version));
    // Of two SUBSCRIBEs under way when the trip moved on, the first has shown that: the second is not to go back behind it
    const shown = client.session?.shown.get(tripId) ?? 0;
    for (const message of watch.firstMessages(tripId, since)) {
      if (message.version < shown) continue;
      send(client, topic, Buffer.from(JSON.stringify(message)), qos, true);
      client.session?.shown.set(tripId, message.version);
    }
  }

  function sendLocation(
    client: SessionClient,
    tripId: string,
    filters: readonly string[],
    retain: boolean,
  ): void {
    const topic = topicFor('tripLocation', tripId);
    const trip = watch.state(tripId);
    if (client.session === undefined || trip === undefined || trip.driverId === null) return;
    if (!filters.some((filter) => filterMatches(filter, topic))) return;
    if (!maySeeDriver(client.session.identity, trip)) return;
    const payload = location(trip.driverId, tripId);
    if (payload instanceof Promise) sendWhenFound(client, client.session, tripId, payload, retain);
    else if (payload !== undefined) send(client, topic, payload, 0, retain);
  }

  /** Until it is found, what is live is held; then the newest goes out, and nothing older after it. */
  function sendWhenFound(
    client: SessionClient,
    session: Session,
    tripId: string,
    looking: Promise<Buffer | undefined>,
    retain: boolean,
  ): void {
    const { locating, located } = session;
    const own = locating.get(tripId) ?? { lookUps: 0, newest: undefined };
    own.lookUps++;
    locating.set(tripId, own);
    looking.then((found) => {
      own.newest = newerLocation(own.newest, found);
      if (--own.lookUps === 0 && locating.get(tripId) === own) locating.delete(tripId);
      const payload = own.newest;
      const trip = watch.state(tripId);
      if (payload === undefined || trip === undefined || !maySeeDriver(session.identity, trip)) return;
      // By what was known until now: this one itself comes before what it holds back
      located.delete(tripId);
      send(client, topicFor('tripLocation', tripId), payload, 0, retain);
      located.set(tripId, recordedAtOf(payload));
    });
  }

  /** What a SUBSCRIBE has asked of each trip, and is not awaited any more from now on. */
  function takeAwaited(
    { awaiting }: Session,
    subscriptions: readonly Subscription[],
  ): Map<string, Awaited[]> {
    const byTrip = new Map<string, Awaited[]>();
    for (const { topic, qos } of subscriptions) {
      // Those that were refused are among them, with their return code for a QoS
      if ((qos as number) === REFUSED) continue;
      const tripId = tripOfFilter(topic);
      const awaited = awaiting.get(topic);
      if (tripId === undefined || awaited === undefined) continue;
      if (--awaited.subscribes === 0) awaiting.delete(topic);
      byTrip.set(tripId, [...(byTrip.get(tripId) ?? []), { topic, qos, version: awaited.version }]);
    }
    return byTrip;
  }

  function subscribed(subscriptions: readonly Subscription[], client: SessionClient): void {
    const { session } = client;
    if (session === undefined) return;
    if (session.held !== undefined) {
      session.whenTakenUp.push(() => subscribed(subscriptions, client));
      return;
    }
    for (const [tripId, awaited] of takeAwaited(session, subscriptions)) {
      sendStatus(client, tripId, awaited);
      const filters = awaited.map(({ topic }) => topic);
      sendLocation(client, tripId, filters, true);
    }
  }

  return {
    subscribed,

    /** The status of a trip has been told: whoever may see the driver since then gets the position that came before it. */
    changed(tripId: string): void {
      for (const client of watch.followers(tripId))
        if (client.session?.missed.delete(tripId))
          sendLocation(client, tripId, Object.keys(client.subscriptions), false);
    },
  };
}
