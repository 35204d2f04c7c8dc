import { Type } from 'typebox';
import type { Queries } from '../../shared/database/index.ts';
import type { Logger } from '../../shared/telemetry/log.ts';
import { hasEnded } from '../../shared/trips/status.ts';
import { serviceAccess } from '../http/access.ts';
import { type Route, route } from '../http/route.ts';
import { tripFor } from '../middleware/trip.ts';
import { refuse } from '../problem.ts';
import { invalidParameters, queryTime } from '../query.ts';
import { driverParams, timeParameter, tripParams } from '../schemas/parameters.ts';
import { erasePositions, eraseTrip } from '../sql/erase.ts';

/** Erasure of personal data, logged without it. */
export function erasureRoutes(queries: Queries, log: Logger): Route[] {
  return [
    route({
      method: 'delete',
      path: '/v1/trips/{tripId}',
      operationId: 'eraseTrip',
      tag: 'Trips',
      summary: 'Erase a finished trip',
      description: 'With its events. A trip that is not over is 409.',
      access: 'bearer',
      params: tripParams,
      success: { status: 204, description: 'Erased' },
      errors: ['TRIP_NOT_FOUND', 'INVALID_TRANSITION'],
      authorize: serviceAccess,
      async handle({ params, identity }) {
        const { trip } = await tripFor(queries, identity, params.tripId);
        if (!hasEnded(trip.status) || !(await eraseTrip(queries, trip.id)))
          throw refuse({
            code: 'INVALID_TRANSITION',
            message: `the trip is ${trip.status}: only a finished one can be erased`,
          });
        log.info({ tripId: trip.id, by: identity.sub }, 'trip erased');
      },
    }),

    route({
      method: 'delete',
      path: '/v1/drivers/{driverId}/history',
      operationId: 'eraseHistory',
      tag: 'Drivers',
      summary: "Erase a driver's positions",
      description: 'All that were recorded before `before` (by default all), the current one included.',
      access: 'bearer',
      params: driverParams,
      query: Type.Object({ before: timeParameter('what was recorded before this instant, by default all') }),
      success: { status: 204, description: 'Erased' },
      errors: [],
      authorize: serviceAccess,
      async handle({ params: { driverId }, query: { before }, identity }) {
        const time = before === undefined ? Number.POSITIVE_INFINITY : queryTime(before);
        if (time === undefined) throw invalidParameters([{ path: '/before', message: 'must be a time' }]);
        const positions = await erasePositions(queries, driverId, time);
        log.info({ positions, by: identity.sub }, 'positions of a driver erased');
      },
    }),
  ];
}
