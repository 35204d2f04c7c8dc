import { Type } from 'typebox';
import type { Identity } from '../../shared/auth/identity.ts';
import type { Queries } from '../../shared/database/index.ts';
import { uuidPattern } from '../../shared/ids.ts';
import { idSchema } from '../../shared/schemas/common.ts';
import { pageOf, tripEventSchema, tripSchema, tripStatusValue } from '../../shared/schemas/outgoing.ts';
import { parseIsoTime } from '../../shared/schemas/time.ts';
import { findActiveTrip } from '../../shared/trips/sql/find-trip.ts';
import { listEvents } from '../../shared/trips/sql/list-events.ts';
import { listTrips } from '../../shared/trips/sql/list-trips.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { driverAccess } from '../http/access.ts';
import { answerIfChanged, tripTag } from '../http/entity-tag.ts';
import { type Route, route } from '../http/route.ts';
import { tripFor } from '../middleware/trip.ts';
import { refuse } from '../problem.ts';
import { examples } from '../schemas/examples.ts';
import { cursorParameter, driverParams, limitParameter, tripParams } from '../schemas/parameters.ts';

type Asked = { driverId: string | undefined; riderId: string | undefined };

/** A driver and a rider see their own trips, whatever they ask for; a share link is for following. */
function withinRights(identity: Identity, asked: Asked): Asked {
  const own = (field: 'driverId' | 'riderId') => {
    const wanted = asked[field];
    if (wanted !== undefined && wanted !== identity.sub)
      throw refuse({ code: 'FORBIDDEN', message: 'you may only list your own trips' });
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
  const time = typeof createdAt === 'string' ? parseIsoTime(createdAt) : undefined;
  // A cursor can be forged: only what is written as here does PostgreSQL read as well (it knows no year 0, and fewer offsets)
  return (
    time !== undefined &&
    time >= 0 &&
    new Date(time).toISOString() === createdAt &&
    typeof id === 'string' &&
    uuidPattern.test(id)
  );
}

const tripContent = [{ mediaType: 'application/json', schema: tripSchema, example: examples.trip }];

/** What is known of trips. */
export function tripRoutes(queries: Queries): Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/trips',
      operationId: 'listTrips',
      tag: 'Trips',
      summary: 'Trips, newest first',
      description: 'A DRIVER and a RIDER see their own. Pages stay stable while trips are being added.',
      access: 'bearer',
      query: Type.Object({
        status: Type.Optional(tripStatusValue),
        driverId: Type.Optional(idSchema('only of this driver')),
        riderId: Type.Optional(idSchema('only of this rider')),
        limit: limitParameter(200, 50),
        cursor: cursorParameter,
      }),
      success: {
        status: 200,
        description: 'A page of trips',
        content: [
          {
            mediaType: 'application/json',
            schema: pageOf(tripSchema),
            example: { items: [examples.trip], nextCursor: null },
          },
        ],
      },
      errors: ['INVALID_PARAMETER', 'FORBIDDEN'],
      async handle({ query, identity }) {
        const { limit, cursor, status, driverId, riderId } = query;
        const allowed = withinRights(identity, { driverId, riderId });
        // In one order: a cursor is of the same query however that is written
        const filter = { status, driverId: allowed.driverId, riderId: allowed.riderId };
        const trips = await listTrips(queries, {
          status,
          driverId: filter.driverId,
          riderId: filter.riderId,
          after: cursor === undefined ? undefined : decodeCursor(filter, cursor, isPosition),
          limit: limit + 1,
        });
        const items = trips.slice(0, limit);
        const last = items.at(-1);
        return {
          items,
          nextCursor:
            trips.length > limit && last !== undefined
              ? encodeCursor(filter, { createdAt: last.createdAt, id: last.id })
              : null,
        };
      },
    }),

    route({
      method: 'get',
      path: '/v1/trips/{tripId}',
      operationId: 'getTrip',
      tag: 'Trips',
      summary: 'One trip',
      description: 'With an `ETag`: a request with `If-None-Match` gets 304 while nothing has changed.',
      access: 'bearer',
      params: tripParams,
      success: {
        status: 200,
        description: 'The trip',
        content: tripContent,
        headers: [{ name: 'ETag', description: 'of this version', schema: Type.String() }],
        notModified: true,
      },
      errors: ['TRIP_NOT_FOUND'],
      async handle({ params, identity, request, response }) {
        const { trip } = await tripFor(queries, identity, params.tripId);
        return answerIfChanged(request, response, tripTag(trip), trip);
      },
    }),

    route({
      method: 'get',
      path: '/v1/trips/{tripId}/events',
      operationId: 'listTripEvents',
      tag: 'Trips',
      summary: 'What happened to a trip',
      description: 'Every change, version by version, with who did it.',
      access: 'bearer',
      params: tripParams,
      success: {
        status: 200,
        description: 'All events',
        content: [
          {
            mediaType: 'application/json',
            schema: pageOf(tripEventSchema),
            example: { items: [examples.event], nextCursor: null },
          },
        ],
      },
      errors: ['TRIP_NOT_FOUND'],
      async handle({ params, identity }) {
        const { trip } = await tripFor(queries, identity, params.tripId);
        return { items: await listEvents(queries, trip.id), nextCursor: null };
      },
    }),

    route({
      method: 'get',
      path: '/v1/drivers/{driverId}/trip',
      operationId: 'getActiveTrip',
      tag: 'Drivers',
      summary: 'The trip that a driver is on',
      description: 'Between EN_ROUTE and IN_PROGRESS; there is at most one.',
      access: 'bearer',
      params: driverParams,
      success: { status: 200, description: 'The active trip', content: tripContent },
      errors: ['NOT_FOUND'],
      authorize: driverAccess('driverLocation', 'subscribe'),
      async handle({ params }) {
        const trip = await findActiveTrip(queries, params.driverId);
        if (trip === undefined) throw refuse({ code: 'NOT_FOUND', message: 'this driver is on no trip' });
        return trip;
      },
    }),
  ];
}
