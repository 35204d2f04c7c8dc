import type { ConnectionLog } from '../shared/connections/index.ts';
import type { Places, ReleasePlace } from '../shared/connections/places.ts';
import type { DriverPresence } from '../shared/presence/index.ts';
import { gone, isGone } from './authenticate.ts';
import { endOf, type LoginRefusal, type Session, type SessionClient } from './session.ts';
import type { SessionExpiry } from './session-expiry.ts';
import { statusWill } from './status-will.ts';

export type LetInOptions = {
  places: Pick<Places, 'take'>;
  expiry: SessionExpiry;
  presence: DriverPresence;
  connectionLog: ConnectionLog;
};

const NOT_NOW = 5;

const noPlace: ReleasePlace = () => undefined;

/** A client whose token is good: a driver needs a place, and is connected from now on for all who ask; everybody's end is noted. */
export function createLetIn({ places, expiry, presence, connectionLog }: LetInOptions) {
  return async (client: SessionClient, session: Session): Promise<LoginRefusal | undefined> => {
    const { identity, connectionId, transport } = session;
    const isDriver = identity.role === 'DRIVER';
    // Only drivers are limited: the others' logins wait for nobody
    const release = isDriver
      ? await places.take({ sub: identity.sub, clientId: client.id, connectionId })
      : noPlace;
    if (release === undefined)
      return {
        returnCode: NOT_NOW,
        result: 'connection_limit',
        message: 'too many connections of this driver',
      };
    // Its end has been told already, or will not be told to us
    if (isGone(client)) {
      release();
      return gone;
    }
    connectionLog.opened({
      id: connectionId,
      sub: identity.sub,
      role: identity.role,
      clientId: client.id.slice(identity.sub.length + 1),
      transport,
      remoteAddress: client.remoteAddress,
      openedAt: Date.now(),
    });
    expiry.watch(client, identity.expiresAt);
    const will = statusWill(client, identity);
    if (isDriver) presence.connected(identity.sub, will);
    client.conn.once('close', () => {
      release();
      expiry.forget(client);
      if (isDriver) presence.disconnected(identity.sub, will);
      connectionLog.closed(connectionId, Date.now(), endOf(client));
    });
    return undefined;
  };
}
