import type { Route } from './http/route.ts';
import type { OpenStreams } from './live/open-streams.ts';
import type { ApiOptions } from './options.ts';
import { connectionRoutes } from './routes/connections.ts';
import { driverStatusRoute } from './routes/driver-status.ts';
import { erasureRoutes } from './routes/erasure.ts';
import { historyRoute } from './routes/history.ts';
import { nearbyRoute } from './routes/nearby.ts';
import { osmAndRoutes } from './routes/osmand.ts';
import { ownTracksRoutes } from './routes/owntracks.ts';
import { positionRoutes } from './routes/positions.ts';
import { revocationRoute } from './routes/revocations.ts';
import { tripBookingRoute } from './routes/trip-booking.ts';
import { tripChangeRoutes } from './routes/trip-changes.ts';
import { tripLiveRoute } from './routes/trip-live.ts';
import { tripShareRoute } from './routes/trip-share.ts';
import { tripTrackRoute } from './routes/trip-track.ts';
import { tripRoutes } from './routes/trips.ts';

/** Every route below `/v1`. Paths without a parameter come before those that would take their place. */
export function apiRoutes(options: ApiOptions, streams: OpenStreams): Route[] {
  const { settings, admission, presence, trips, signer, queries, locks, control, untilStored, log } = options;
  return [
    nearbyRoute(queries, settings.driverStaleAfterMs),
    ...positionRoutes(admission, queries),
    driverStatusRoute(presence),
    historyRoute(queries),
    ...tripRoutes(queries),
    tripBookingRoute(trips),
    ...tripChangeRoutes(trips),
    tripTrackRoute(queries),
    tripLiveRoute(options, streams),
    ...erasureRoutes({ queries, locks, control, untilStored, archiveDir: settings.archiveDir, log }),
    ...connectionRoutes(queries, control),
    revocationRoute({ queries, control, log }),
    tripShareRoute({ queries, signer, publicUrl: settings.publicUrl }),
  ];
}

/** The ways in for apps and trackers that speak protocols of their own. Outside of `/v1`: their form is not ours to version. */
export const deviceRoutes = (options: ApiOptions): Route[] => [
  ...ownTracksRoutes(options),
  ...osmAndRoutes(options),
];
