import type { Identity } from '../../shared/auth/identity.ts';
import { permissions } from '../../shared/auth/permissions.ts';
import { type TopicName, topics } from '../../shared/topics.ts';
import { refuse } from '../problem.ts';

const forbidden = (message: string) => refuse({ code: 'FORBIDDEN', message });

/** A route about one driver: whoever may publish to, or subscribe to, that driver's topic may use it. */
export const driverAccess =
  (topic: TopicName, action: 'publish' | 'subscribe') =>
  (identity: Identity, { driverId }: { driverId: string }): void => {
    if (topics[topic][action](identity, driverId) !== 'granted')
      throw forbidden(
        action === 'publish' ? 'you may not write for this driver' : 'you may not read this driver',
      );
  };

/** A route across all drivers. */
export function fleetAccess(identity: Identity): void {
  if (permissions.readFleet(identity) !== 'granted')
    throw forbidden('only an OPERATOR or SERVICE may read the fleet');
}

export function staffAccess(identity: Identity): void {
  if (permissions.readFleet(identity) !== 'granted')
    throw forbidden('only an OPERATOR or SERVICE may do this');
}

export function serviceAccess(identity: Identity): void {
  if (identity.role !== 'SERVICE') throw forbidden('only a SERVICE may do this');
}
