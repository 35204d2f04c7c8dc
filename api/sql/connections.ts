import type { Role } from '../../shared/auth/identity.ts';
import type { ConnectionTransport } from '../../shared/connections/index.ts';
import type { Queries } from '../../shared/database/index.ts';

export type ConnectionRow = {
  id: string;
  sub: string;
  role: Role;
  client_id: string;
  transport: ConnectionTransport;
  remote_address: string | null;
  broker_id: string;
  opened_at: Date;
  last_activity_at: Date;
  opened_us: string;
};

export type ConnectionsAfter = { openedUs: string; id: string };

/** Open connections, the newest first. The cursor has microseconds, as the table has. */
export function listConnections(
  queries: Queries,
  sub: string | undefined,
  after: ConnectionsAfter | undefined,
  limit: number,
): Promise<ConnectionRow[]> {
  const conditions = [
    'closed_at is null',
    ...(sub === undefined ? [] : ['sub = $(sub)']),
    ...(after === undefined
      ? []
      : [
          "(opened_at, id) < ('epoch'::timestamptz + $(after.openedUs)::bigint * interval '1 microsecond', $(after.id)::uuid)",
        ]),
  ];
  return queries.any<ConnectionRow>(
    `select id, sub, role, client_id, transport, host(remote_address) as remote_address, broker_id, opened_at, last_activity_at,
            (extract(epoch from opened_at) * 1000000)::bigint::text as opened_us
       from connection_sessions
      where ${conditions.join(' and ')}
      order by opened_at desc, id desc
      limit $(limit)`,
    { sub, after, limit },
  );
}

export async function isConnectionOpen(queries: Queries, id: string): Promise<boolean> {
  return (
    (await queries.oneOrNone('select 1 from connection_sessions where id = $(id) and closed_at is null', {
      id,
    })) !== null
  );
}
