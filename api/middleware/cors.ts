import type { RequestHandler } from 'express';

/** What scripts may read beside the body (Fetch, CORS-safelisted response-header names are always theirs). */
const EXPOSED =
  'Allow, Content-Disposition, ETag, Location, RateLimit-Limit, RateLimit-Policy, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-Id, WWW-Authenticate';
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE';
const HEADERS = 'Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, X-Request-Id';
/** Seconds that a browser may remember a preflight; Chromium keeps none longer than two hours. */
const MAX_AGE = '7200';

/**
 * Lets pages of the given origins call REST (CORS_ORIGINS). Without credentials mode: a token is a header that the page sets itself, and there are no
 * cookies that another page could abuse. Preflights are answered here, before rate limit and token, as they can carry none; one of an origin
 * that is not allowed with nothing that would allow it.
 */
export function allowOrigins(origins: readonly string[]): RequestHandler {
  const allowed: ReadonlySet<string> = new Set(origins);
  return (request, response, next) => {
    // Also for origins that are not allowed: a cache must not give one's answer to the other
    if (allowed.size > 0) response.vary('Origin');
    const { origin } = request.headers;
    const isAllowed = origin !== undefined && allowed.has(origin);
    if (isAllowed)
      response.set({ 'Access-Control-Allow-Origin': origin, 'Access-Control-Expose-Headers': EXPOSED });
    const isPreflight =
      request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined;
    if (!isPreflight || origin === undefined) return next();
    if (isAllowed)
      response.set({
        'Access-Control-Allow-Methods': METHODS,
        'Access-Control-Allow-Headers': HEADERS,
        'Access-Control-Max-Age': MAX_AGE,
      });
    response.status(204).end();
  };
}
