import type { Role } from '../auth/identity.ts';

export const connectionTransports = ['TCP', 'WEBSOCKET', 'SSE'] as const;
export type ConnectionTransport = (typeof connectionTransports)[number];

/** A client that is connected. Times: epoch ms. */
export type Connection = {
  /** A UUID. */
  id: string;
  sub: string;
  role: Role;
  clientId: string;
  transport: ConnectionTransport;
  remoteAddress: string | undefined;
  openedAt: number;
};

/** Why a connection ended. */
export type CloseReason =
  | 'DISCONNECTED'
  | 'LOST'
  | 'TAKEN_OVER'
  | 'CONNECTION_LIMIT'
  | 'BROKER_LOST'
  | 'TOKEN_EXPIRED'
  | 'REVOKED'
  | 'CLOSED_BY_OPERATOR'
  | 'TRIP_ENDED'
  | 'SERVER_STOPPED';

/** Port: `connection_sessions`, kept by these events. They are written soon after, many at once. */
export type ConnectionLog = {
  opened(connection: Connection): void;
  /** It has sent something. */
  active(id: string, at: number): void;
  closed(id: string, at: number, reason: CloseReason): void;
};
