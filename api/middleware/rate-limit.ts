import type { RequestHandler } from 'express';
import { rateLimit } from 'express-rate-limit';
import { sendProblem } from '../problem.ts';

const WINDOW_MS = 60_000;

/** Requests a minute and client address; IPv6 clients count by their /56, as their providers hand them out. */
export function limitRate(perMinute: number): RequestHandler {
  return rateLimit({
    windowMs: WINDOW_MS,
    limit: perMinute,
    skip: () => perMinute === 0,
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
