import { Type } from 'typebox';
import { uuidPattern } from '../../shared/ids.ts';
import { idSchema, named, orNull } from '../../shared/schemas/common.ts';
import { placeSchema, tripSchema } from '../../shared/schemas/outgoing.ts';
import type { TripStore } from '../../shared/trips/store.ts';
import { parseTransition, transitionSchema } from '../../shared/trips/transition-message.ts';
import { staffAccess } from '../http/access.ts';
import { type Route, route } from '../http/route.ts';
import { MAX_BODY } from '../middleware/json-body.ts';
import { tripNotFound } from '../middleware/trip.ts';
import { refuse } from '../problem.ts';
import { examples } from '../schemas/examples.ts';
import { tripParams } from '../schemas/parameters.ts';

const planSchema = named(
  'TripPlan',
  Type.Object(
    {
      driverId: Type.Optional(orNull(idSchema('who drives; null: nobody yet'))),
      pickup: Type.Optional(placeSchema),
      dropoff: Type.Optional(placeSchema),
    },
    // A change of nothing that is known here would make a version that says nothing
    { anyOf: [{ required: ['driverId'] }, { required: ['pickup'] }, { required: ['dropoff'] }] },
  ),
);

const content = [{ mediaType: 'application/json', schema: tripSchema, example: examples.trip }];

/** Planning trips and moving them on. */
export function tripChangeRoutes(trips: TripStore): Route[] {
  return [
    route({
      method: 'patch',
      path: '/v1/trips/{tripId}',
      operationId: 'planTrip',
      tag: 'Trips',
      summary: 'Assign a driver, or change pickup or dropoff',
      description: 'While the trip is PENDING.',
      access: 'bearer',
      params: tripParams,
      body: { schema: planSchema, maxBytes: MAX_BODY, example: { driverId: 'driver-1' } },
      success: { status: 200, description: 'The changed trip', content },
      errors: ['INVALID_PAYLOAD', 'TRIP_NOT_FOUND', 'INVALID_TRANSITION'],
      authorize: staffAccess,
      handle({ params: { tripId }, body, identity }) {
        if (!uuidPattern.test(tripId)) throw tripNotFound();
        return trips.plan(tripId, body, identity);
      },
    }),

    route({
      method: 'patch',
      path: '/v1/trips/{tripId}/status',
      operationId: 'moveTrip',
      tag: 'Trips',
      summary: 'Move a trip on',
      description:
        'As publishing to `trips/{tripId}/transition`; a RIDER may cancel. A repeat of the current status changes nothing. With `version`, only if the trip still has it.',
      access: 'bearer',
      params: tripParams,
      body: {
        schema: Type.Unsafe<unknown>(transitionSchema),
        maxBytes: MAX_BODY,
        example: { status: 'EN_ROUTE' },
        checkedLater: true,
      },
      success: { status: 200, description: 'The trip as it is now', content },
      errors: [
        'INVALID_PAYLOAD',
        'IN_FUTURE',
        'FORBIDDEN',
        'TRIP_NOT_FOUND',
        'INVALID_TRANSITION',
        'VERSION_CONFLICT',
      ],
      handle({ params: { tripId }, body, identity }) {
        const parsed = parseTransition(body, Date.now());
        if ('refusal' in parsed) throw refuse(parsed.refusal);
        if (!uuidPattern.test(tripId)) throw tripNotFound();
        return trips.transition({ ...parsed.transition, tripId, actor: identity });
      },
    }),
  ];
}
