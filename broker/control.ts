import type { Revocations } from '../shared/auth/revocations.ts';
import type { Control } from '../shared/connections/control.ts';
import type { CloseReason } from '../shared/connections/index.ts';
import type { FleetBroker } from './fleet-broker.ts';
import type { SessionClient } from './session.ts';

/** Closes what an operator, or a revocation, wants closed. Seldom asked for: it looks at every client. */
export function obeyControl(
  broker: FleetBroker,
  control: Control,
  revocations: Pick<Revocations, 'covers'>,
): void {
  const closeWhere = (holds: (client: SessionClient) => boolean, reason: CloseReason) => {
    for (const client of broker.everyClient() as unknown as SessionClient[]) {
      if (client.session === undefined || !holds(client)) continue;
      client.session.closeReason = reason;
      client.close();
    }
  };
  control.onCloseConnection((id) =>
    closeWhere(({ session }) => session?.connectionId === id, 'CLOSED_BY_OPERATOR'),
  );
  control.onRevoke(() =>
    closeWhere(({ session }) => session !== undefined && revocations.covers(session.identity), 'REVOKED'),
  );
}
