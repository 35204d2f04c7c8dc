import express, { type RequestHandler } from 'express';
import { refuse } from '../problem.ts';

/** Bytes. A batch of 500 positions with every field is about 120 KB. */
export const MAX_BODY = 64 * 1024;
export const MAX_BATCH_BODY = 1024 * 1024;

/** The body as text, whatever its Content-Type says: devices do not always say what they send. '' when there is none. */
export function textBody(limit: number): RequestHandler[] {
  return [
    express.text({ limit, type: () => true }),
    (request, _response, next) => {
      request.body ??= '';
      next();
    },
  ];
}

/** The body as JSON, and nothing else. */
export function jsonBody(limit: number = MAX_BODY): RequestHandler[] {
  return [
    (request, _response, next) => {
      if (request.is('application/json') === false)
        throw refuse({ code: 'UNSUPPORTED_MEDIA_TYPE', message: 'the body must be application/json' });
      next();
    },
    express.json({ limit, strict: false }),
  ];
}
