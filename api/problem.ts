import { STATUS_CODES } from 'node:http';
import type { NextFunction, Request, Response } from 'express';
import { isUnreachable } from '../shared/database/unreachable.ts';
import { errorCatalogue, FleetcastError, type Refusal } from '../shared/errors.ts';
import type { Problem } from '../shared/schemas/outgoing.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import { requestIdOf } from './middleware/request-id.ts';

/** RFC 9457. `type` is a URN: the code says what it is, and nothing has to be fetched. `instance`: as the log calls this request. */
export function problemDocument({ code, message, errors, retryAfterMs }: Refusal, requestId: string): string {
  const { status, title } = errorCatalogue[code];
  const problem: Problem = {
    type: `urn:fleetcast:problem:${code}`,
    title,
    status,
    code,
    detail: message,
    instance: `urn:fleetcast:request:${requestId}`,
    ...(errors === undefined ? {} : { errors: [...errors] }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
  return JSON.stringify(problem);
}

export function sendProblem(response: Response, refusal: Refusal): void {
  const { code, retryAfterMs } = refusal;
  const { status } = errorCatalogue[code];
  if (status === 401 && !response.hasHeader('WWW-Authenticate'))
    response.setHeader('WWW-Authenticate', 'Bearer realm="fleetcast"');
  if (retryAfterMs !== undefined)
    response.setHeader('Retry-After', Math.max(1, Math.ceil(retryAfterMs / 1000)));
  // What is not there may be in a moment, and 404 is one that caches may keep (RFC 9110, 15.1)
  response.setHeader('Cache-Control', 'no-store');
  response
    .status(status)
    .type('application/problem+json')
    .send(problemDocument(refusal, requestIdOf(response.req)));
}

export const refuse = (refusal: Refusal) => new FleetcastError(refusal);

type HttpError = Error & { status?: number; type?: string; code?: unknown };

const malformedBody = (message: string): Refusal => ({
  code: 'INVALID_PAYLOAD',
  message: `the body ${message}`,
  errors: [{ path: '', message }],
});

/** About what a database server takes to restart. */
const UNAVAILABLE_RETRY_MS = 5000;

/** What Express and its parsers throw, and the database's client. */
function refusalOf(error: HttpError): Refusal | undefined {
  if (error instanceof FleetcastError) return error.refusal;
  switch (error.type) {
    case 'entity.too.large':
      return { code: 'PAYLOAD_TOO_LARGE', message: 'the body is larger than this resource takes' };
    case 'entity.parse.failed':
      return malformedBody('must be well-formed JSON');
    case 'encoding.unsupported':
    case 'charset.unsupported':
      return { code: 'UNSUPPORTED_MEDIA_TYPE', message: error.message };
  }
  if (typeof error.code === 'string' && error.code.startsWith('Z_'))
    return malformedBody('must be compressed as its Content-Encoding says');
  if (error instanceof URIError)
    return { code: 'INVALID_PARAMETER', message: 'the path must be percent-encoded UTF-8' };
  if (error.status !== undefined && error.status >= 400 && error.status < 500)
    return { code: 'INVALID_PARAMETER', message: STATUS_CODES[error.status] ?? 'the request is malformed' };
  if (isUnreachable(error))
    return {
      code: 'UNAVAILABLE',
      message: 'the database does not answer right now',
      retryAfterMs: UNAVAILABLE_RETRY_MS,
    };
  return undefined;
}

/**
 * A path as it may stand in a log. Devices that can set nothing but a URL have their token in it; no id has more than 64
 * characters, and no token so few.
 */
export const loggablePath = (path: string): string => path.replace(/[^/]{65,}/g, '…');

/** The last stop of every error: one problem document, and never a stack trace. */
export function problemHandler(log: Logger) {
  return (error: HttpError, request: Request, response: Response, next: NextFunction): void => {
    const refusal = refusalOf(error);
    if (refusal === undefined || refusal.code === 'UNAVAILABLE')
      log.error(
        {
          err: error,
          requestId: requestIdOf(request),
          method: request.method,
          path: loggablePath(request.path),
        },
        'request failed',
      );
    if (response.headersSent) return next(error);
    sendProblem(response, refusal ?? { code: 'INTERNAL', message: 'the request could not be handled' });
  };
}
