import type { Revocations } from '../shared/auth/revocations.ts';
import type { Control } from '../shared/connections/control.ts';
import type { CloseReason } from '../shared/connections/index.ts';
import type { Places } from '../shared/connections/places.ts';
import type { SessionStore } from '../shared/session-store/index.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import type { FleetBroker } from './fleet-broker.ts';
import { aboutClient, type SessionClient } from './session.ts';
import { statusWill } from './status-will.ts';

export type Closers = {
  control: Control;
  revocations: Pick<Revocations, 'covers' | 'onAdded'>;
  places: Pick<Places, 'onLost'>;
  sessionStore: Pick<SessionStore, 'delWill'>;
  log: Logger;
};

/** Closes what an operator, a revocation, or another broker wants closed. Seldom asked for: it looks at every client. */
export function obeyControl(broker: FleetBroker, options: Closers): void {
  const { control, revocations, places, log } = options;
  const close = (client: SessionClient, reason: CloseReason) => {
    if (client.session !== undefined) client.session.closeReason = reason;
    if (reason === 'REVOKED') silence(client, options);
    log.info({ ...aboutClient(client), reason }, 'connection closed by us');
    client.close();
  };
  const closeWhere = (holds: (client: SessionClient) => boolean, reason: CloseReason) => {
    for (const client of broker.everyClient() as unknown as SessionClient[])
      if (client.session !== undefined && holds(client)) close(client, reason);
  };
  const isRevoked = ({ session }: SessionClient) =>
    session !== undefined && revocations.covers(session.identity);
  control.onCloseConnection((id) =>
    closeWhere(({ session }) => session?.connectionId === id, 'CLOSED_BY_OPERATOR'),
  );
  places.onLost((id, loss) => closeWhere(({ session }) => session?.connectionId === id, loss));
  revocations.onAdded(() => closeWhere(isRevoked, 'REVOKED'));
  // Its token was good when it was checked, and is revoked since: until now it was not among those that are looked at
  broker.on('client', (aedesClient) => {
    const client = aedesClient as SessionClient;
    if (isRevoked(client)) close(client, 'REVOKED');
  });
}

/**
 * A will is sent after the end of the session: with a revoked token nobody is to move a trip or to be somewhere by one. That a driver
 * is OFFLINE is true now, and goes out.
 */
function silence(client: SessionClient, { sessionStore, log }: Closers): void {
  const { session } = client;
  if (!client.will || (session !== undefined && statusWill(client, session.identity) === 'OFFLINE')) return;
  client.will = null;
  sessionStore
    .delWill(client)
    .catch((error: unknown) => log.warn({ err: error }, 'the last will of a revoked session is left behind'));
}
