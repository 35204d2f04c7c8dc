import type { Request, Response, Router } from 'express';
import { Type } from 'typebox';
import type { Queries } from '../../shared/database/index.ts';
import { positionOf } from '../../shared/database/position-row.ts';
import { positionMessage } from '../../shared/messages/positions.ts';
import { type DriverStatus, driverStatuses } from '../../shared/schemas/driver-status.ts';
import { decodeCursor, encodeCursor, isTime } from '../cursor.ts';
import { requireDriver, requireFleet } from '../middleware/authorize.ts';
import { refuse } from '../problem.ts';
import { queryReader, queryTime } from '../query.ts';
import { historyPage } from '../sql/history-page.ts';
import { type CurrentRow, latestPosition } from '../sql/latest-position.ts';
import { nearbyDrivers } from '../sql/nearby-drivers.ts';

export type DriverReadOptions = { queries: Queries; driverStaleAfterMs: number };

const MAX_PAGE = 1000;
/** Metres; SPEC section 8. */
const MAX_RADIUS = 50_000;

const time = (description: string) => Type.Optional(Type.String({ format: 'time-or-ms', description }));

const historyQuery = queryReader(
  Type.Object({
    from: time('first instant; by default all that is kept'),
    to: time('last instant; by default now'),
    tripId: Type.Optional(
      Type.String({
        pattern: '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$',
        description: 'only this trip',
      }),
    ),
    limit: Type.Integer({ minimum: 1, maximum: MAX_PAGE, default: 100 }),
    cursor: Type.Optional(Type.String({ maxLength: 200 })),
    format: Type.Unsafe<'json'>({ type: 'string', enum: ['json'], default: 'json' }),
  }),
);

const nearbyQuery = queryReader(
  Type.Object({
    latitude: Type.Number({ minimum: -90, maximum: 90 }),
    longitude: Type.Number({ minimum: -180, maximum: 180 }),
    radius: Type.Number({ exclusiveMinimum: 0, maximum: MAX_RADIUS, default: 5000, description: 'metres' }),
    status: Type.Optional(Type.Unsafe<DriverStatus>({ type: 'string', enum: [...driverStatuses] })),
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
  }),
);

const currentMessage = (row: CurrentRow, now: number) => ({
  ...positionMessage(positionOf(row)),
  status: row.status,
  ageSeconds: Math.max(0, Math.round((now - row.recorded_ms) / 100) / 10),
});

/** What is known of drivers. */
export function driverReads(router: Router, { queries, driverStaleAfterMs }: DriverReadOptions): void {
  // Before the routes with an id: `nearby` would be one
  router.get('/drivers/nearby', requireFleet, async (request: Request, response: Response) => {
    const query = nearbyQuery(request.query);
    const now = Date.now();
    const rows = await nearbyDrivers(queries, {
      ...query,
      status: query.status,
      freshSince: now - driverStaleAfterMs,
    });
    response.json({
      items: rows.map((row) => ({
        ...currentMessage(row, now),
        distanceMeters: Math.round(row.distance_meters * 10) / 10,
      })),
    });
  });

  router.get(
    '/drivers/:driverId/location',
    requireDriver('driverLocation', 'subscribe'),
    async (request: Request<{ driverId: string }>, response: Response) => {
      const row = await latestPosition(queries, request.params.driverId);
      if (row === null) throw refuse({ code: 'NOT_FOUND', message: 'this driver has no position yet' });
      response.json(currentMessage(row, Date.now()));
    },
  );

  router.get(
    '/drivers/:driverId/history',
    requireDriver('driverLocation', 'subscribe'),
    async (request: Request<{ driverId: string }>, response: Response) => {
      const { from, to, tripId, limit, cursor } = historyQuery(request.query);
      const asked = { driverId: request.params.driverId, from, to, tripId };
      const rows = await historyPage(queries, {
        driverId: request.params.driverId,
        from: from === undefined ? 0 : (queryTime(from) ?? 0),
        // A device's clock may be ahead a little: by default nothing is cut off
        to: to === undefined ? Date.now() + 3_600_000 : (queryTime(to) ?? 0),
        after: cursor === undefined ? undefined : decodeCursor(asked, cursor, isTime),
        tripId,
        limit: limit + 1,
      });
      const items = rows.slice(0, limit).map(positionOf);
      const last = items.at(-1);
      response.json({
        items: items.map(positionMessage),
        nextCursor: rows.length > limit && last !== undefined ? encodeCursor(asked, last.recordedAt) : null,
      });
    },
  );
}
