import { Type } from 'typebox';
import type { Queries } from '../../shared/database/index.ts';
import type { Trip } from '../../shared/trips/trip.ts';
import { geojsonLine } from '../formats/geojson.ts';
import { type Route, route } from '../http/route.ts';
import { answerTrack, trackContent } from '../http/track-answer.ts';
import { tripFor } from '../middleware/trip.ts';
import { lineContent } from '../schemas/geojson.ts';
import { cursorParameter, formatParameter, tripParams } from '../schemas/parameters.ts';

const MAX_PAGE = 1000;

/** From EN_ROUTE to the end; empty before it. */
function spanOf(trip: Trip): { from: number; to: number } {
  if (trip.enRouteAt === null) return { from: 1, to: 0 };
  const end = trip.completedAt ?? trip.cancelledAt;
  return { from: Date.parse(trip.enRouteAt), to: end === null ? Date.now() + 60_000 : Date.parse(end) };
}

/** The way that was driven for a trip. */
export function tripTrackRoute(queries: Queries): Route {
  return route({
    method: 'get',
    path: '/v1/trips/{tripId}/track',
    operationId: 'getTrack',
    tag: 'Trips',
    summary: 'The way that was driven',
    description:
      'The positions of the driver from EN_ROUTE to the end of the trip. GeoJSON is one Feature with a MultiLineString.',
    access: 'bearer',
    params: tripParams,
    query: Type.Object({
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: MAX_PAGE, description: 'items of a page (default 100)' }),
      ),
      cursor: cursorParameter,
      format: formatParameter,
    }),
    success: { status: 200, description: 'Positions', content: trackContent(lineContent) },
    errors: ['INVALID_PARAMETER', 'TRIP_NOT_FOUND'],
    async handle({ params, query: { limit, cursor, format }, identity, response }) {
      const { trip } = await tripFor(queries, identity, params.tripId);
      return answerTrack(queries, response, {
        asked: { tripId: trip.id },
        track: { driverId: trip.driverId ?? '', ...spanOf(trip), tripId: undefined, alsoOfTrip: trip.id },
        format,
        limit,
        cursor,
        name: `trip-${trip.id}`,
        geojson: geojsonLine({
          tripId: trip.id,
          driverId: trip.driverId,
          distanceMeters: trip.distanceMeters,
          durationSeconds: trip.durationSeconds,
        }),
      });
    },
  });
}
