import { randomUUID } from 'node:crypto';
import type { Request, RequestHandler } from 'express';

const ids = new WeakMap<Request, string>();

export const newRequestId = (): string => randomUUID();

/** What a proxy or client may have given it: nothing that could break a log line or a header, and no token. */
const acceptable = /^[A-Za-z0-9_-]{1,64}$/;

export const requestIdOf = (request: Request): string => ids.get(request) ?? '';

/** A name for each request, in the answer and in the log: the one that came along (`X-Request-Id`), or a new one. */
export const nameRequest: RequestHandler = (request, response, next) => {
  const given = request.get('X-Request-Id') ?? '';
  const id = acceptable.test(given) ? given : newRequestId();
  ids.set(request, id);
  response.setHeader('X-Request-Id', id);
  next();
};
