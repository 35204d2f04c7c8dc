import type { Revocations } from '../shared/auth/revocations.ts';
import type { Control } from '../shared/connections/control.ts';
import type { CloseReason } from '../shared/connections/index.ts';
import type { Places } from '../shared/connections/places.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import type { FleetBroker } from './fleet-broker.ts';
import { aboutClient, type SessionClient } from './session.ts';

export type Closers = {
  log: Logger;
  control: Control;
  revocations: Pick<Revocations, 'covers' | 'onAdded'>;
  places: Pick<Places, 'onLost'>;
};

/** Closes what an operator, a revocation, or another broker wants closed. Seldom asked for: it looks at every client. */
export function obeyControl(broker: FleetBroker, { control, revocations, places, log }: Closers): void {
  const closeWhere = (holds: (client: SessionClient) => boolean, reason: CloseReason) => {
    for (const client of broker.everyClient() as unknown as SessionClient[]) {
      if (client.session === undefined || !holds(client)) continue;
      client.session.closeReason = reason;
      log.info({ ...aboutClient(client), reason }, 'connection closed by us');
      client.close();
    }
  };
  control.onCloseConnection((id) =>
    closeWhere(({ session }) => session?.connectionId === id, 'CLOSED_BY_OPERATOR'),
  );
  places.onLost((id, loss) => closeWhere(({ session }) => session?.connectionId === id, loss));
  revocations.onAdded(() =>
    closeWhere(({ session }) => session !== undefined && revocations.covers(session.identity), 'REVOKED'),
  );
}
