import type { Request, Response, Router } from 'express';
import { Type } from 'typebox';
import type { Identity } from '../../shared/auth/identity.ts';
import type { Queries } from '../../shared/database/index.ts';
import { parseIsoTime } from '../../shared/schemas/time.ts';
import { findActiveTrip } from '../../shared/trips/sql/find-trip.ts';
import { listEvents } from '../../shared/trips/sql/list-events.ts';
import { listTrips } from '../../shared/trips/sql/list-trips.ts';
import { tripIdPattern } from '../../shared/trips/trip.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { identityOf } from '../middleware/authenticate.ts';
import { requireDriver } from '../middleware/authorize.ts';
import { tripFor } from '../middleware/trip.ts';
import { refuse } from '../problem.ts';
import { queryReader } from '../query.ts';
import { idSchema, statusSchema } from '../schemas/trips.ts';

const listQuery = queryReader(
  Type.Object({
    status: Type.Optional(statusSchema),
    driverId: Type.Optional(idSchema('only of this driver')),
    riderId: Type.Optional(idSchema('only of this rider')),
    limit: Type.Integer({ minimum: 1, maximum: 200, default: 50 }),
    cursor: Type.Optional(Type.String({ maxLength: 300 })),
  }),
);

type Asked = { status?: unknown; driverId?: string; riderId?: string };

/** A driver and a rider see their own trips, whatever they ask for; a share link is for following. */
function withinRights(identity: Identity, asked: Asked): Asked {
  const own = (field: 'driverId' | 'riderId') => {
    const wanted = asked[field];
    if (wanted !== undefined && wanted !== identity.sub)
      throw refuse({ code: 'FORBIDDEN', message: `you may only list your own trips` });
    return { ...asked, [field]: identity.sub };
  };
  switch (identity.role) {
    case 'OPERATOR':
    case 'SERVICE':
      return asked;
    case 'DRIVER':
      return own('driverId');
    case 'RIDER':
      return own('riderId');
    case 'VIEWER':
      throw refuse({ code: 'FORBIDDEN', message: 'a share link is for following its trip' });
  }
}

/** The last trip of the page before. */
type Position = { createdAt: string; id: string };

function isPosition(value: unknown): value is Position {
  const { createdAt, id } = (value ?? {}) as Partial<Position>;
  return (
    typeof createdAt === 'string' && parseIsoTime(createdAt) !== undefined && tripIdPattern.test(id ?? '')
  );
}

/** What is known of trips. */
export function tripReads(router: Router, queries: Queries): void {
  router.get('/trips', async (request: Request, response: Response) => {
    const { limit, cursor, ...asked } = listQuery(request.query);
    const filter = withinRights(identityOf(request), asked);
    const trips = await listTrips(queries, {
      status: asked.status,
      driverId: filter.driverId,
      riderId: filter.riderId,
      after: cursor === undefined ? undefined : decodeCursor(filter, cursor, isPosition),
      limit: limit + 1,
    });
    const items = trips.slice(0, limit);
    const last = items.at(-1);
    response.json({
      items,
      nextCursor:
        trips.length > limit && last !== undefined
          ? encodeCursor(filter, { createdAt: last.createdAt, id: last.id })
          : null,
    });
  });

  router.get('/trips/:tripId', async (request: Request<{ tripId: string }>, response: Response) => {
    const { trip } = await tripFor(queries, identityOf(request), request.params.tripId);
    response.json(trip);
  });

  router.get('/trips/:tripId/events', async (request: Request<{ tripId: string }>, response: Response) => {
    const { trip } = await tripFor(queries, identityOf(request), request.params.tripId);
    response.json({ items: await listEvents(queries, trip.id), nextCursor: null });
  });

  router.get(
    '/drivers/:driverId/trip',
    requireDriver('driverLocation', 'subscribe'),
    async (request: Request<{ driverId: string }>, response: Response) => {
      const trip = await findActiveTrip(queries, request.params.driverId);
      if (trip === undefined) throw refuse({ code: 'NOT_FOUND', message: 'this driver is on no trip' });
      response.json(trip);
    },
  );
}
