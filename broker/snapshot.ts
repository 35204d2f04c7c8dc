import type { PublishPacket, Subscription } from 'aedes';
import type { Logger } from '../shared/telemetry/log.ts';
import { topicFor } from '../shared/topics.ts';
import { maySeeDriver } from '../shared/trips/status.ts';
import { filterMatches } from './filters.ts';
import type { SessionClient } from './session.ts';
import { tripOfFilter } from './subscribe.ts';
import type { TripWatch } from './trip-watch.ts';

/** The last location message of a trip's driver; undefined: none is known, or the trip is not under way. */
export type LocationSnapshot = (driverId: string, tripId: string) => Buffer | undefined;

/**
 * What follows a SUBSCRIBE to a trip at once, retain flag set: where the trip stands and where the car is. It is made at the moment
 * of sending, and until then nothing live of that trip goes to this client: so what follows is never older.
 */
export function createSnapshots(watch: TripWatch, location: LocationSnapshot, log: Logger) {
  function send(client: SessionClient, topic: string, payload: Buffer, qos: 0 | 1 | 2): void {
    const packet = { cmd: 'publish', topic, payload, qos, retain: true, dup: false } as PublishPacket;
    client.publish(packet, (error) => {
      if (error) log.debug({ err: error, clientId: client.id }, 'a snapshot could not be sent');
    });
  }

  function sendTrip(client: SessionClient, tripId: string, filters: readonly Subscription[]): void {
    const { session } = client;
    const trip = watch.state(tripId);
    if (session === undefined || trip === undefined) return;
    const qosOf = (topic: string) =>
      filters.filter((filter) => filterMatches(filter.topic, topic)).map((filter) => filter.qos as number);
    const statusTopic = topicFor('tripStatus', tripId);
    const statusQos = qosOf(statusTopic);
    if (statusQos.length > 0) {
      for (const message of watch.firstMessages(tripId))
        send(client, statusTopic, Buffer.from(JSON.stringify(message)), Math.max(...statusQos) as 0 | 1 | 2);
    }
    const locationTopic = topicFor('tripLocation', tripId);
    if (qosOf(locationTopic).length === 0 || trip.driverId === null) return;
    const payload = maySeeDriver(session.identity, trip) ? location(trip.driverId, tripId) : undefined;
    if (payload !== undefined) send(client, locationTopic, payload, 0);
  }

  return (subscriptions: readonly Subscription[], client: SessionClient): void => {
    const trips = new Set<string>();
    for (const { topic } of subscriptions) {
      const tripId = tripOfFilter(topic);
      if (tripId !== undefined && client.session?.awaiting.delete(tripId)) trips.add(tripId);
    }
    for (const tripId of trips) sendTrip(client, tripId, subscriptions);
  };
}
