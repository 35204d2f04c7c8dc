import type { Queries } from '../../database/index.ts';
import type { CloseReason, Connection } from '../index.ts';

/** New rows of connection_sessions; one that is there already stays. */
export async function insertConnections(
  queries: Queries,
  brokerId: string,
  connections: readonly Connection[],
): Promise<void> {
  await queries.none(
    `insert into connection_sessions (id, sub, role, client_id, broker_id, transport, remote_address, opened_at, last_activity_at)
     select id, sub, role, client_id, $(brokerId), transport, remote_address,
            to_timestamp(opened_ms / 1000.0), to_timestamp(opened_ms / 1000.0)
       from unnest($(ids)::uuid[], $(subs)::text[], $(roles)::text[], $(clientIds)::text[], $(transports)::text[],
                   $(addresses)::inet[], $(openedAt)::float8[])
            as given (id, sub, role, client_id, transport, remote_address, opened_ms)
         on conflict (id) do nothing`,
    {
      brokerId,
      ids: connections.map(({ id }) => id),
      subs: connections.map(({ sub }) => sub),
      roles: connections.map(({ role }) => role),
      clientIds: connections.map(({ clientId }) => clientId),
      transports: connections.map(({ transport }) => transport),
      addresses: connections.map(({ remoteAddress }) => remoteAddress ?? null),
      openedAt: connections.map(({ openedAt }) => openedAt),
    },
  );
}

/** Whoever is active has been taken for lost wrongly, if at all. */
export async function touchConnections(queries: Queries, active: ReadonlyMap<string, number>): Promise<void> {
  await queries.none(
    `update connection_sessions
        set last_activity_at = to_timestamp(active_ms / 1000.0),
            closed_at = case when close_reason = 'BROKER_LOST' then null else closed_at end,
            close_reason = nullif(close_reason, 'BROKER_LOST')
       from unnest($(ids)::uuid[], $(times)::float8[]) as given (session_id, active_ms)
      where id = session_id`,
    { ids: [...active.keys()], times: [...active.values()] },
  );
}

export type Closed = { id: string; at: number; reason: CloseReason };

/** What the others took for lost meanwhile has ended as its own broker says. */
export async function closeConnections(queries: Queries, closed: readonly Closed[]): Promise<void> {
  await queries.none(
    `update connection_sessions
        set closed_at = to_timestamp(closed_ms / 1000.0), close_reason = reason
       from unnest($(ids)::uuid[], $(times)::float8[], $(reasons)::text[]) as given (session_id, closed_ms, reason)
      where id = session_id and (closed_at is null or close_reason = 'BROKER_LOST')`,
    {
      ids: closed.map(({ id }) => id),
      times: closed.map(({ at }) => at),
      reasons: closed.map(({ reason }) => reason),
    },
  );
}

/** Processes that have open connections, by what is stored. */
export async function brokersWithConnections(queries: Queries): Promise<string[]> {
  const rows = await queries.any<{ broker_id: string }>(
    'select distinct broker_id from connection_sessions where closed_at is null',
  );
  return rows.map(({ broker_id }) => broker_id);
}

/** Connections that processes left behind when they ended. Gives how many there were. */
export async function closeForgotten(
  queries: Queries,
  brokerIds: readonly string[],
  reason: CloseReason,
): Promise<number> {
  return queries.result(
    `update connection_sessions
        set closed_at = now(), close_reason = $(reason)
      where broker_id = any($(brokerIds)) and closed_at is null`,
    { brokerIds, reason },
    ({ rowCount }) => rowCount,
  );
}

/** Connections of a process that was taken for lost, and is not. Those that have ended since say how. */
export async function reopenConnections(queries: Queries, brokerId: string): Promise<void> {
  await queries.none(
    `update connection_sessions
        set closed_at = null, close_reason = null
      where broker_id = $(brokerId) and close_reason = 'BROKER_LOST' and closed_at >= now() - interval '1 day'`,
    { brokerId },
  );
}
