import { Type } from 'typebox';
import type { Queries } from '../../shared/database/index.ts';
import { named } from '../../shared/schemas/common.ts';
import { driverStatusValue, type NearbyDriver, nearbyDriverSchema } from '../../shared/schemas/outgoing.ts';
import { fleetAccess } from '../http/access.ts';
import { type Route, route } from '../http/route.ts';
import { currentMessage } from '../presentation.ts';
import { examples } from '../schemas/examples.ts';
import { limitParameter } from '../schemas/parameters.ts';
import { nearbyDrivers } from '../sql/nearby-drivers.ts';

/** Metres; SPEC section 8. */
const MAX_RADIUS = 50_000;

/** Who is near a place. */
export function nearbyRoute(queries: Queries, driverStaleAfterMs: number): Route {
  return route({
    method: 'get',
    path: '/v1/drivers/nearby',
    operationId: 'listNearbyDrivers',
    tag: 'Drivers',
    summary: 'The nearest drivers',
    description:
      'Nearest first; among those at the same distance by id. Drivers whose position is stale are left out.',
    access: 'bearer',
    query: Type.Object({
      latitude: Type.Number({ minimum: -90, maximum: 90 }),
      longitude: Type.Number({ minimum: -180, maximum: 180 }),
      radius: Type.Number({ exclusiveMinimum: 0, maximum: MAX_RADIUS, default: 5000, description: 'metres' }),
      status: Type.Optional(driverStatusValue),
      limit: limitParameter(100, 20),
    }),
    success: {
      status: 200,
      description: 'The nearest drivers',
      content: [
        {
          mediaType: 'application/json',
          schema: named('NearbyDrivers', Type.Object({ items: Type.Array(nearbyDriverSchema) })),
          example: { items: [examples.nearby] },
        },
      ],
    },
    errors: ['INVALID_PARAMETER'],
    authorize: fleetAccess,
    async handle({ query }) {
      const now = Date.now();
      const rows = await nearbyDrivers(queries, {
        ...query,
        status: query.status,
        freshSince: now - driverStaleAfterMs,
      });
      return {
        items: rows.map(
          (row): NearbyDriver => ({
            ...currentMessage(row, now),
            distanceMeters: Math.round(row.distance_meters * 10) / 10,
          }),
        ),
      };
    },
  });
}
