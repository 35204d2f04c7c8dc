import { Type } from 'typebox';
import type { Queries } from '../../shared/database/index.ts';
import { geojsonPoints } from '../formats/geojson.ts';
import { driverAccess } from '../http/access.ts';
import { type Route, route } from '../http/route.ts';
import { answerTrack, trackContent } from '../http/track-answer.ts';
import { queryTime } from '../query.ts';
import { pointsContent } from '../schemas/geojson.ts';
import {
  cursorParameter,
  driverParams,
  formatParameter,
  timeParameter,
  tripFilter,
} from '../schemas/parameters.ts';

const MAX_PAGE = 1000;
/** A device's clock may be ahead a little: by default nothing is cut off. */
const AHEAD_MS = 3_600_000;

/** Where a driver has been. */
export function historyRoute(queries: Queries): Route {
  return route({
    method: 'get',
    path: '/v1/drivers/{driverId}/history',
    operationId: 'getHistory',
    tag: 'Drivers',
    summary: 'Where a driver has been',
    description:
      'In the order of `recordedAt`. As JSON in pages; as GeoJSON, GPX or CSV in one streamed document, of any length unless `limit` is given.',
    access: 'bearer',
    params: driverParams,
    query: Type.Object({
      from: timeParameter('first instant (included), by default all that is kept'),
      to: timeParameter('last instant (included), by default now'),
      tripId: tripFilter,
      limit: Type.Optional(
        Type.Integer({ minimum: 1, maximum: MAX_PAGE, description: 'items of a page (default 100)' }),
      ),
      cursor: cursorParameter,
      format: formatParameter,
    }),
    success: { status: 200, description: 'Positions', content: trackContent(pointsContent) },
    errors: ['INVALID_PARAMETER'],
    authorize: driverAccess('driverLocation', 'subscribe'),
    handle({ params: { driverId }, query: { from, to, tripId, limit, cursor, format }, response }) {
      return answerTrack(queries, response, {
        asked: { driverId, from, to, tripId },
        track: {
          driverId,
          from: from === undefined ? 0 : (queryTime(from) ?? 0),
          to: to === undefined ? Date.now() + AHEAD_MS : (queryTime(to) ?? 0),
          tripId,
        },
        format,
        limit,
        cursor,
        name: driverId,
        geojson: geojsonPoints,
      });
    },
  });
}
