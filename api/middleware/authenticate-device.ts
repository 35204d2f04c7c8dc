import type { Request, RequestHandler } from 'express';
import type { TokenVerifier } from '../../shared/auth/verify.ts';
import { FleetcastError } from '../../shared/errors.ts';
import { refuse } from '../problem.ts';
import { bearerToken, identify } from './authenticate.ts';

/** RFC 7617, section 2. */
const basic = /^Basic +([A-Za-z0-9+/_-]+={0,2}) *$/i;

const CHALLENGES = ['Bearer realm="fleetcast"', 'Basic realm="fleetcast", charset="UTF-8"'];

function basicPassword({ headers }: Request): string | undefined {
  const credentials = basic.exec(headers.authorization ?? '')?.[1];
  if (credentials === undefined) return undefined;
  const [, password = ''] = /^[^:]*:(.*)$/s.exec(Buffer.from(credentials, 'base64').toString()) ?? [];
  return password === '' ? undefined : password;
}

/** The path's last part, for apps that can set nothing but a URL; or what the app has fields for. */
function deviceToken(request: Request): string | undefined {
  const { token } = request.params;
  return typeof token === 'string' ? token : (basicPassword(request) ?? bearerToken(request));
}

const isBadToken = (error: unknown) =>
  error instanceof FleetcastError && error.refusal.code === 'UNAUTHORIZED';

/**
 * Who a device is. A fleet may well sit behind one address, and sends a request a position: what a driver may send is limited by the admission,
 * driver by driver. `limit`, that of the address, counts here what comes without a good token.
 */
export function authenticateDevice(verifier: TokenVerifier, limit: RequestHandler): RequestHandler {
  return async (request, response, next) => {
    try {
      const token = deviceToken(request);
      if (token === undefined)
        throw refuse({
          code: 'UNAUTHORIZED',
          message:
            'a token is required: as the Basic password, as Authorization: Bearer, or as the end of the path',
        });
      await identify(verifier, request, token);
    } catch (error) {
      if (!isBadToken(error)) throw error;
      response.setHeader('WWW-Authenticate', CHALLENGES);
      return void (await limit(request, response, (problem?: unknown) => next(problem ?? error)));
    }
    next();
  };
}
