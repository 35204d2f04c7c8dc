import type { Control } from '../shared/connections/control.ts';
import type { Emitter } from '../shared/emitter/index.ts';
import type { SessionStore } from '../shared/session-store/index.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import { partyOf } from '../shared/trips/status.ts';
import type { TripStatusMessage } from '../shared/trips/trip.ts';
import type { FleetBroker } from './fleet-broker.ts';
import type { SessionClient } from './session.ts';
import { tripOfFilter } from './subscribe.ts';
import type { TripWatch } from './trip-watch.ts';

/**
 * Keeps the watched trips up to date, and takes subscriptions away from those who are no party of a trip any more, and from all when it is erased. `changed` hears of
 * each message when it has gone out.
 * @returns what is to be called when a trip has moved on in another way, and when a client has another token
 */
export function watchTrips(
  broker: FleetBroker,
  emitter: Emitter,
  store: SessionStore,
  control: Control,
  watch: TripWatch,
  changed: (tripId: string) => void,
  log: Logger,
): { movedOn(tripId: string): void; renewed(client: SessionClient): void } {
  const takeAway = (client: SessionClient, tripId: string) => {
    const filters = filtersOf(client, tripId);
    forget(client, watch, tripId);
    // Aedes takes names, whatever its types say, and calls back in any case: without a callback it would throw, and end the process
    client.unsubscribe(filters as unknown as Parameters<typeof client.unsubscribe>[0], () => undefined);
    store
      .removeSubscriptions(client, filters)
      .catch((error: unknown) =>
        log.warn({ err: error, tripId }, 'a stored subscription could not be removed'),
      );
  };
  const movedOn = (tripId: string) => {
    const trip = watch.state(tripId);
    if (trip === undefined) return;
    for (const client of watch.followers(tripId))
      if (client.session !== undefined && partyOf(client.session.identity, trip) === undefined)
        takeAway(client, tripId);
    // After the message itself, which other listeners of this one hand out
    setImmediate(changed, tripId);
  };
  const renewed = (client: SessionClient) => {
    const { session } = client;
    for (const tripId of [...(session?.trips ?? [])]) {
      const trip = watch.state(tripId);
      if (session !== undefined && trip !== undefined && partyOf(session.identity, trip) === undefined)
        takeAway(client, tripId);
    }
  };
  emitter.on('trips/+/status', (packet, done) => {
    const message = JSON.parse(packet.payload.toString()) as TripStatusMessage;
    watch.apply(message);
    movedOn(message.tripId);
    done();
  });
  control.onErase((erasure) => {
    if (erasure.kind !== 'trip') return;
    for (const client of [...watch.followers(erasure.tripId)]) takeAway(client, erasure.tripId);
  });
  broker.on('unsubscribe', (filters, aedesClient) => {
    const client = aedesClient as SessionClient;
    for (const filter of filters) {
      client.session?.filters.delete(filter);
      const tripId = tripOfFilter(filter);
      if (tripId !== undefined && filtersOf(client, tripId).length === 0) forget(client, watch, tripId);
    }
  });
  return { movedOn, renewed };
}

const filtersOf = (client: SessionClient, tripId: string) =>
  Object.keys(client.subscriptions).filter((filter) => tripOfFilter(filter) === tripId);

function forget(client: SessionClient, watch: TripWatch, tripId: string): void {
  client.session?.trips.delete(tripId);
  client.session?.missed.delete(tripId);
  client.session?.shown.delete(tripId);
  client.session?.behind.delete(tripId);
  client.session?.locating.delete(tripId);
  client.session?.located.delete(tripId);
  for (const filter of client.session?.awaiting.keys() ?? [])
    if (tripOfFilter(filter) === tripId) client.session?.awaiting.delete(filter);
  watch.unfollow(client, tripId);
}
