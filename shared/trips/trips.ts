import type { TripSettings } from '../config.ts';
import type { Queries } from '../database/index.ts';
import { isUnreachable } from '../database/unreachable.ts';
import type { Emitter } from '../emitter/index.ts';
import { createOsrmEta } from '../eta/osrm.ts';
import { createStraightLineEta } from '../eta/straight-line.ts';
import type { Publisher } from '../messages/publisher.ts';
import type { Circuits } from '../telemetry/circuits.ts';
import type { Logger } from '../telemetry/log.ts';
import { type ActiveTrip, ActiveTrips } from './active-trips.ts';
import type { SharedDriverTrips } from './driver-trips.ts';
import type { FollowStates } from './follow-states.ts';
import type { KeptFollowStates } from './kept-follow-states.ts';
import { PositionFeed } from './position-feed.ts';
import { RestartWindow } from './restart-window.ts';
import { currentPositions } from './sql/current-positions.ts';
import { findFollowStates } from './sql/find-follow-states.ts';
import { findActiveTrips, findTrips } from './sql/find-trip.ts';
import { statusMessagesSince } from './sql/status-messages-since.ts';
import { hasEnded, isActive } from './status.ts';
import { TripStore } from './store.ts';
import type { Trip, TripStatusMessage } from './trip.ts';

export type TripsOptions = {
  queries: Queries;
  publisher: Publisher;
  settings: TripSettings;
  /** undefined: this process is the only one, and has it all in memory. */
  shared: { driverTrips: SharedDriverTrips; followStates: KeptFollowStates; emitter: Emitter } | undefined;
  /** When the last status message before this start was written, epoch ms. */
  lastMessageAt: number | undefined;
  /** A driver is on a trip, or is not any more, since `at` (epoch ms by the database's clock). */
  setOnTrip(driverId: string, onTrip: boolean, at: number): void;
  /** A change has been committed and waits in the outbox. */
  wakeRelay(): void;
  circuits: Circuits;
  log: Logger;
};

/** The trips of one process, put together: the store, what is in memory of those that are under way, and who is shown what. */
export type Trips = {
  store: TripStore;
  active: ActiveTrips;
  feed: PositionFeed;
  followStates: FollowStates;
  /** Once more, of trips that have changed: whoever committed it may not have come to that. */
  tellAgain(tripIds: readonly string[]): Promise<void>;
  /** The last location message of a trip's driver; undefined: none is known, or the trip is not under way. Does not reject. */
  locationSnapshot(driverId: string, tripId: string): Buffer | undefined | Promise<Buffer | undefined>;
  stop(): void;
};

const AUTO_ARRIVE_ACTOR = { sub: 'fleetcast', role: 'SERVICE', trips: [] } as const;

export async function startTrips(options: TripsOptions): Promise<Trips> {
  const { queries, publisher, settings, shared, circuits, log } = options;
  const store = new TripStore(queries);
  const running = shared === undefined ? await findActiveTrips(queries) : [];
  const active = new ActiveTrips(running);
  const straight = createStraightLineEta({ detourFactor: settings.etaDetourFactor });
  const eta =
    settings.osrmUrl === undefined
      ? straight
      : createOsrmEta({ url: settings.osrmUrl, fallback: straight, log });
  if (eta.circuit !== undefined) circuits.add('osrm', eta.circuit);

  const arrive = (trip: ActiveTrip) => {
    store
      .transition({
        tripId: trip.id,
        status: 'ARRIVED',
        actor: AUTO_ARRIVE_ACTOR,
        reason: 'at the pickup',
        version: trip.version,
      })
      .catch((error: unknown) =>
        log.debug({ err: error, tripId: trip.id }, 'a trip did not arrive by itself'),
      );
  };
  const feed = new PositionFeed({
    publisher,
    trips: active,
    eta,
    arrivalRadiusMeters: settings.arrivalRadiusMeters,
    onArrival: settings.autoArrive ? arrive : undefined,
  });
  const drivers = running.flatMap(({ driverId }) => driverId ?? []);
  const places = new Map((await currentPositions(queries, drivers)).map((place) => [place.driverId, place]));
  for (const trip of running) feed.apply(trip, places.get(trip.driverId ?? ''));

  const tellOthers = async (trip: Trip) => {
    try {
      await shared?.driverTrips.apply(trip);
    } catch (error) {
      log.debug({ err: error, tripId: trip.id }, 'a change of a trip is left to the relay to tell');
    }
  };
  const setOnTrip = ({ driverId, enRouteAt, status, updatedAt }: Trip) => {
    // One that was never under way says nothing of where its driver is
    if (driverId !== null && enRouteAt !== null)
      options.setOnTrip(driverId, isActive(status), Date.parse(updatedAt));
  };
  store.onCommitted(async (trip, place) => {
    if (shared === undefined) active.apply(trip);
    else await tellOthers(trip);
    feed.apply(trip, place);
    options.wakeRelay();
    setOnTrip(trip);
  });
  shared?.emitter.on('trips/+/status', (message, done) => {
    const { tripId, driverId, status } = JSON.parse(message.payload.toString()) as TripStatusMessage;
    if (hasEnded(status)) feed.forget(tripId, driverId);
    done();
  });

  const lookUpLocation = async (driverId: string, tripId: string): Promise<Buffer | undefined> => {
    const current = await shared?.driverTrips.current(driverId).catch((error: unknown) => {
      log.debug({ err: error, tripId }, 'where the driver is could not be looked up');
      return undefined;
    });
    if (current?.trip.id !== tripId || current.position === undefined) return undefined;
    return feed.message(current.trip, current.position);
  };

  const window = new RestartWindow(options.lastMessageAt, Date.now());
  const find = async (tripIds: readonly string[]) => {
    try {
      return await findFollowStates(queries, tripIds, window.since(Date.now()));
    } catch (error) {
      const kept = isUnreachable(error as Error) ? await shared?.followStates.find(tripIds) : undefined;
      if (kept === undefined) throw error;
      return kept;
    }
  };
  return {
    store,
    active,
    feed,
    async tellAgain(tripIds) {
      for (const trip of await findTrips(queries, tripIds)) {
        await shared?.driverTrips.apply(trip);
        setOnTrip(trip);
      }
      await shared?.followStates.keep(await findFollowStates(queries, tripIds, undefined));
    },
    followStates: {
      find,
      since: (known) => statusMessagesSince(queries, known),
      afterRestart: () => window.since(Date.now()) !== undefined,
    },
    locationSnapshot: (driverId, tripId) =>
      shared === undefined ? feed.snapshot(driverId, tripId) : lookUpLocation(driverId, tripId),
    stop: () => eta.stop(),
  };
}
