import type { DriverPresence } from '../../shared/presence/index.ts';
import { driverStatusSchema } from '../../shared/schemas/driver-status.ts';
import { driverStatusMessageSchema } from '../../shared/schemas/outgoing.ts';
import { driverAccess } from '../http/access.ts';
import { type Route, route } from '../http/route.ts';
import { MAX_BODY } from '../middleware/json-body.ts';
import { driverParams } from '../schemas/parameters.ts';

/** What a driver says of itself. */
export function driverStatusRoute(presence: DriverPresence): Route {
  return route({
    method: 'put',
    path: '/v1/drivers/{driverId}/status',
    operationId: 'setDriverStatus',
    tag: 'Drivers',
    summary: 'Go online, busy or offline',
    description:
      'As publishing to `drivers/{driverId}/status`. While a trip is under way the driver counts as ON_TRIP whatever it says.',
    access: 'bearer',
    params: driverParams,
    body: { schema: driverStatusSchema, maxBytes: MAX_BODY, example: { status: 'ONLINE' } },
    success: {
      status: 200,
      description: 'What the driver counts as now',
      content: [
        {
          mediaType: 'application/json',
          schema: driverStatusMessageSchema,
          example: { driverId: 'driver-1', status: 'ONLINE', receivedAt: '2026-11-23T17:30:00.000Z' },
        },
      ],
    },
    errors: ['INVALID_PAYLOAD'],
    authorize: driverAccess('driverStatus', 'publish'),
    async handle({ params: { driverId }, body }) {
      const receivedAt = Date.now();
      const status = await presence.report(driverId, body.status, receivedAt);
      return { driverId, status, receivedAt: new Date(receivedAt).toISOString() };
    },
  });
}
