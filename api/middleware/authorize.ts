import type { Request, RequestHandler } from 'express';
import type { Identity } from '../../shared/auth/identity.ts';
import { permissions } from '../../shared/auth/permissions.ts';
import { type TopicName, topics } from '../../shared/topics.ts';
import { refuse } from '../problem.ts';
import { invalidParameters } from '../query.ts';
import { identityOf } from './authenticate.ts';

const idPattern = /^[A-Za-z0-9_-]{1,64}$/;

const forbidden = (message: string) => refuse({ code: 'FORBIDDEN', message });

/** A route about one driver: whoever may publish to, or subscribe to, that driver's topic may use it. */
export function requireDriver(
  topic: TopicName,
  action: 'publish' | 'subscribe',
): RequestHandler<{ driverId: string }> {
  return (request, _response, next) => {
    const { driverId } = request.params;
    if (!idPattern.test(driverId))
      throw invalidParameters([
        { path: '/driverId', message: 'must be 1 to 64 characters of A-Z a-z 0-9 _ -' },
      ]);
    if (topics[topic][action](identityOf(request as unknown as Request), driverId) !== 'granted')
      throw forbidden(
        action === 'publish' ? 'you may not write for this driver' : 'you may not read this driver',
      );
    next();
  };
}

/** A route across all drivers. */
export const requireFleet: RequestHandler = (request, _response, next) => {
  const identity: Identity = identityOf(request);
  if (permissions.readFleet(identity) !== 'granted')
    throw forbidden('only an OPERATOR or SERVICE may read the fleet');
  next();
};
