import { isIP } from 'node:net';
import type { Request, RequestHandler } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';
import { sendProblem } from '../problem.ts';
import type { RateLimitStore } from './rate-limit-store.ts';

const WINDOW_MS = 60_000;

/** Bits of an IPv6 address that make one client: what providers hand out. */
const IPV6_SUBNET = 56;

/** Behind a proxy the address is text from a header: what is none counts for whoever sent it, or each would be a new client. */
function clientOf({ ip = '', socket }: Request): string {
  const address = isIP(ip) === 0 ? (socket.remoteAddress ?? '') : ip;
  return ipKeyGenerator(address, IPV6_SUBNET);
}

/** Requests a minute and client address. `store` undefined: counted by this process alone. */
export function limitRate(perMinute: number, store: RateLimitStore | undefined): RequestHandler {
  return rateLimit({
    ...(store === undefined ? {} : { store }),
    windowMs: WINDOW_MS,
    limit: perMinute,
    skip: () => perMinute === 0,
    keyGenerator: clientOf,
    standardHeaders: 'draft-6',
    legacyHeaders: false,
    // TRUST_PROXY decides, knowingly; without it the header is not looked at
    validate: { xForwardedForHeader: false, forwardedHeader: false, trustProxy: false },
    handler: (_request, response, _next, { limit }) => {
      const resetAt = Number(response.getHeader('RateLimit-Reset') ?? WINDOW_MS / 1000);
      sendProblem(response, {
        code: 'RATE_LIMITED',
        message: `at most ${limit} requests a minute`,
        retryAfterMs: resetAt * 1000,
      });
    },
  });
}
