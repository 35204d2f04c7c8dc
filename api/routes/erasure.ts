import { Type } from 'typebox';
import { Archives } from '../../shared/archive/erase.ts';
import type { Erasure } from '../../shared/connections/control.ts';
import { LAST_MS } from '../../shared/schemas/time.ts';
import { hasEnded } from '../../shared/trips/status.ts';
import { serviceAccess } from '../http/access.ts';
import { type Route, route } from '../http/route.ts';
import { requestIdOf } from '../middleware/request-id.ts';
import { tripFor, tripNotFound } from '../middleware/trip.ts';
import type { ApiOptions } from '../options.ts';
import { refuse } from '../problem.ts';
import { invalidParameters, queryTime } from '../query.ts';
import { driverParams, timeParameter, tripParams } from '../schemas/parameters.ts';
import { erasePositions, eraseTrip, forgetTrip } from '../sql/erase.ts';

type Options = Pick<ApiOptions, 'queries' | 'locks' | 'control' | 'untilStored' | 'log'> & {
  archiveDir: string | undefined;
};

const STORED_RETRY_MS = 5000;

/** Erasure of personal data, logged without it: from the database, from what processes have in memory, from the archives. */
export function erasureRoutes({ queries, locks, control, untilStored, archiveDir, log }: Options): Route[] {
  const archives = archiveDir === undefined ? undefined : new Archives(archiveDir, locks);

  const eraseArchived = async (erasure: Erasure) => (await archives?.erase(erasure)) ?? 0;

  return [
    route({
      method: 'delete',
      path: '/v1/trips/{tripId}',
      operationId: 'eraseTrip',
      tag: 'Trips',
      summary: 'Erase a finished trip',
      description:
        'With its events; the positions of its driver stay, without its id, in archived days too. A trip that is not over is 409. 500, and the trip stays, where an archive is damaged.',
      access: 'bearer',
      params: tripParams,
      success: { status: 204, description: 'Erased' },
      errors: ['TRIP_NOT_FOUND', 'INVALID_TRANSITION'],
      authorize: serviceAccess,
      async handle({ params, identity, request }) {
        const { trip } = await tripFor(queries, identity, params.tripId);
        if (!hasEnded(trip.status))
          throw refuse({
            code: 'INVALID_TRANSITION',
            message: `the trip is ${trip.status}: only a finished one can be erased`,
          });
        const erasure = { kind: 'trip', tripId: trip.id } as const;
        await forgetTrip(queries, trip);
        // Before the trip goes: where an archive can't be changed, it can be asked for again
        const archived = await eraseArchived(erasure);
        if (!(await eraseTrip(queries, trip.id))) throw tripNotFound();
        control.erase(erasure);
        log.info(
          { requestId: requestIdOf(request), tripId: trip.id, archived, by: identity.sub },
          'trip erased',
        );
      },
    }),

    route({
      method: 'delete',
      path: '/v1/drivers/{driverId}/history',
      operationId: 'eraseHistory',
      tag: 'Drivers',
      summary: "Erase a driver's positions",
      description:
        'All that were recorded before `before` (by default all): the current one and the archived days included. 500 where an archive is damaged: it is left as it is, everything else is erased. 503, and nothing is erased, while positions of the driver wait to be stored.',
      access: 'bearer',
      params: driverParams,
      query: Type.Object({ before: timeParameter('what was recorded before this instant, by default all') }),
      success: { status: 204, description: 'Erased' },
      errors: [],
      authorize: serviceAccess,
      async handle({ params: { driverId }, query: { before }, identity, request }) {
        const time = before === undefined ? LAST_MS : queryTime(before);
        if (time === undefined) throw invalidParameters([{ path: '/before', message: 'must be a time' }]);
        const limit = Math.min(time, LAST_MS);
        const erasure = { kind: 'positions', driverId, before: limit } as const;
        // Before, so that nobody is shown what is going; and after, for what was read just before it went
        control.erase(erasure);
        // Else it would be stored after it was erased
        if ((await untilStored?.(driverId)) === false)
          throw refuse({
            code: 'UNAVAILABLE',
            message: 'positions of this driver still wait to be stored',
            retryAfterMs: STORED_RETRY_MS,
          });
        const positions = await erasePositions(queries, driverId, limit);
        control.erase(erasure);
        const archived = await eraseArchived(erasure);
        log.info(
          { requestId: requestIdOf(request), positions, archived, by: identity.sub },
          'positions of a driver erased',
        );
      },
    }),
  ];
}
