import type { TripSettings } from '../config.ts';
import type { Queries } from '../database/index.ts';
import { createOsrmEta } from '../eta/osrm.ts';
import { createStraightLineEta } from '../eta/straight-line.ts';
import type { Publisher } from '../messages/publisher.ts';
import type { Logger } from '../telemetry/log.ts';
import { type ActiveTrip, ActiveTrips } from './active-trips.ts';
import type { FollowStates } from './follow-states.ts';
import { PositionFeed } from './position-feed.ts';
import { RestartWindow } from './restart-window.ts';
import { currentPositions } from './sql/current-positions.ts';
import { findFollowStates } from './sql/find-follow-states.ts';
import { findActiveTrips } from './sql/find-trip.ts';
import { TripStore } from './store.ts';

export type TripsOptions = {
  queries: Queries;
  publisher: Publisher;
  settings: TripSettings;
  /** When the last status message before this start was written, epoch ms. */
  lastMessageAt: number | undefined;
  /** A driver is on a trip, or is not any more, since `at` (epoch ms by the database's clock). */
  setOnTrip(driverId: string, onTrip: boolean, at: number): void;
  /** A change has been committed and waits in the outbox. */
  wakeRelay(): void;
  log: Logger;
};

/** The trips of one process, put together: the store, what is in memory of those that are under way, and who is shown what. */
export type Trips = {
  store: TripStore;
  active: ActiveTrips;
  feed: PositionFeed;
  followStates: FollowStates;
  stop(): void;
};

const AUTO_ARRIVE_ACTOR = { sub: 'fleetcast', role: 'SERVICE', trips: [] } as const;

export async function startTrips(options: TripsOptions): Promise<Trips> {
  const { queries, publisher, settings, log } = options;
  const store = new TripStore(queries);
  const running = await findActiveTrips(queries);
  const active = new ActiveTrips(running);
  const straight = createStraightLineEta({ detourFactor: settings.etaDetourFactor });
  const eta =
    settings.osrmUrl === undefined
      ? straight
      : createOsrmEta({ url: settings.osrmUrl, fallback: straight, log });

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

  store.onCommitted((trip, place) => {
    active.apply(trip);
    feed.apply(trip, place);
    options.wakeRelay();
    if (trip.driverId === null) return;
    options.setOnTrip(
      trip.driverId,
      active.ofDriver(trip.driverId) !== undefined,
      Date.parse(trip.updatedAt),
    );
  });

  const window = new RestartWindow(options.lastMessageAt, Date.now());
  return {
    store,
    active,
    feed,
    followStates: {
      find: (tripIds) => findFollowStates(queries, tripIds, window.since(Date.now())),
      afterRestart: () => window.since(Date.now()) !== undefined,
    },
    stop: () => eta.stop(),
  };
}
