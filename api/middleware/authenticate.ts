import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { Identity } from '../../shared/auth/identity.ts';
import { TokenError } from '../../shared/auth/token-error.ts';
import type { TokenVerifier } from '../../shared/auth/verify.ts';
import { refuse } from '../problem.ts';

const identities = new WeakMap<Request, Identity>();

/** Who sent this request: known after `authenticate`. */
export function identityOf(request: Request): Identity {
  const identity = identities.get(request);
  if (identity === undefined) throw new Error('the route is not behind authenticate()');
  return identity;
}

/** RFC 6750, section 2.1. */
const bearer = /^Bearer +([^ ]+) *$/i;

export const bearerToken = (request: Request): string | undefined =>
  bearer.exec(request.headers.authorization ?? '')?.[1];

/** Finds out who sent a request. @throws a refusal when the token is not accepted */
export async function identify(verifier: TokenVerifier, request: Request, token: string): Promise<void> {
  try {
    identities.set(request, await verifier.verify(token));
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    if (error.reason === 'unavailable')
      throw refuse({ code: 'OVERLOADED', message: error.message, retryAfterMs: 5000 });
    throw refuse({ code: 'UNAUTHORIZED', message: error.message });
  }
}

export function authenticate(verifier: TokenVerifier): RequestHandler {
  return async (request: Request, _response: Response, next: NextFunction) => {
    const token = bearerToken(request);
    if (token === undefined)
      throw refuse({ code: 'UNAUTHORIZED', message: 'a token is required: Authorization: Bearer TOKEN' });
    await identify(verifier, request, token);
    next();
  };
}
