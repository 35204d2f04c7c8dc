import { type Static, Type } from 'typebox';
import { type Role, roles } from '../../shared/auth/identity.ts';
import type { Control } from '../../shared/connections/control.ts';
import { type ConnectionTransport, connectionTransports } from '../../shared/connections/index.ts';
import type { Queries } from '../../shared/database/index.ts';
import { uuidPattern } from '../../shared/ids.ts';
import { idSchema, named, orNull, timeSchema } from '../../shared/schemas/common.ts';
import { pageOf } from '../../shared/schemas/outgoing.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { staffAccess } from '../http/access.ts';
import { type Route, route } from '../http/route.ts';
import { refuse } from '../problem.ts';
import { cursorParameter, limitParameter } from '../schemas/parameters.ts';
import { type ConnectionsAfter, isConnectionOpen, listConnections } from '../sql/connections.ts';

const connectionSchema = named(
  'Connection',
  Type.Object({
    id: Type.String(),
    sub: Type.String(),
    role: Type.Unsafe<Role>({ type: 'string', enum: [...roles] }),
    clientId: Type.String(),
    transport: Type.Unsafe<ConnectionTransport>({ type: 'string', enum: [...connectionTransports] }),
    remoteAddress: orNull(Type.String()),
    broker: Type.String({ description: 'the process that it leads to' }),
    openedAt: timeSchema,
    lastActivityAt: timeSchema,
  }),
);

const example = {
  id: '9b1f7c52-6a0e-4d0c-8c57-0d1e9f6a2b34',
  sub: 'driver-1',
  role: 'DRIVER',
  clientId: 'phone',
  transport: 'TCP',
  remoteAddress: '203.0.113.7',
  broker: 'broker-0-1f0c8e52',
  openedAt: '2026-11-23T17:30:00.000Z',
  lastActivityAt: '2026-11-23T17:31:00.000Z',
};

function isPosition(value: unknown): value is ConnectionsAfter {
  const { openedUs, id } = (value ?? {}) as Partial<ConnectionsAfter>;
  // A cursor can be forged: a list of one text would pass for that text
  return (
    typeof openedUs === 'string' &&
    /^\d{1,18}$/.test(openedUs) &&
    typeof id === 'string' &&
    uuidPattern.test(id)
  );
}

/** Who is connected, and putting an end to it. */
export function connectionRoutes(queries: Queries, control: Control): Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/connections',
      operationId: 'listConnections',
      tag: 'Operation',
      summary: 'Who is connected',
      description: 'Live sessions of the whole cluster, the newest first.',
      access: 'bearer',
      query: Type.Object({
        sub: Type.Optional(idSchema('only of this user')),
        limit: limitParameter(200, 50),
        cursor: cursorParameter,
      }),
      success: {
        status: 200,
        description: 'A page of connections',
        content: [
          {
            mediaType: 'application/json',
            schema: pageOf(connectionSchema),
            example: { items: [example], nextCursor: null },
          },
        ],
      },
      errors: [],
      authorize: staffAccess,
      async handle({ query: { sub, limit, cursor } }) {
        const asked = { sub };
        const after = cursor === undefined ? undefined : decodeCursor(asked, cursor, isPosition);
        const rows = await listConnections(queries, sub, after, limit + 1);
        const last = rows.slice(0, limit).at(-1);
        return {
          items: rows.slice(0, limit).map(
            (row): Static<typeof connectionSchema> => ({
              id: row.id,
              sub: row.sub,
              role: row.role,
              clientId: row.client_id,
              transport: row.transport,
              remoteAddress: row.remote_address,
              broker: row.broker_id,
              openedAt: row.opened_at.toISOString(),
              lastActivityAt: row.last_activity_at.toISOString(),
            }),
          ),
          nextCursor:
            rows.length > limit && last !== undefined
              ? encodeCursor(asked, { openedUs: last.opened_us, id: last.id })
              : null,
        };
      },
    }),

    route({
      method: 'delete',
      path: '/v1/connections/{connectionId}',
      operationId: 'closeConnection',
      tag: 'Operation',
      summary: 'Close a connection',
      description: 'Its client may connect again: to keep it out, revoke its token.',
      access: 'bearer',
      params: Type.Object({ connectionId: Type.String({ description: 'which' }) }),
      success: { status: 204, description: 'It is being closed' },
      errors: ['NOT_FOUND'],
      authorize: staffAccess,
      async handle({ params: { connectionId } }) {
        if (!uuidPattern.test(connectionId) || !(await isConnectionOpen(queries, connectionId)))
          throw refuse({ code: 'NOT_FOUND', message: 'there is no such connection' });
        control.closeConnection(connectionId);
      },
    }),
  ];
}
