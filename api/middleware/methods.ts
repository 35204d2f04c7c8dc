import type { Request, RequestHandler, Response, Router } from 'express';
import { refuse } from '../problem.ts';

type Layer = { route?: { methods: Record<string, boolean> }; match(path: string): boolean };

const READING = ['GET', 'HEAD'];

/** OPTIONS asks for just this header. @throws METHOD_NOT_ALLOWED */
function answerOther({ method }: Request, response: Response, methods: readonly string[]): void {
  const allow = methods.join(', ');
  response.setHeader('Allow', allow);
  if (method !== 'OPTIONS')
    throw refuse({ code: 'METHOD_NOT_ALLOWED', message: `this resource knows ${allow}` });
  response.status(204).end();
}

function methodsOf(router: Router, path: string): string[] {
  const methods = new Set<string>();
  for (const layer of router.stack as unknown as Layer[]) {
    if (layer.route === undefined || !layer.match(path)) continue;
    for (const method of Object.keys(layer.route.methods)) methods.add(method.toUpperCase());
  }
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods].sort();
}

/**
 * A known path with an unknown method is 405 with `Allow` (RFC 9110, 15.5.6), not 404. Comes before the router: a router answers
 * OPTIONS by itself, in a form of its own.
 */
export function onlyMethodsOf(router: Router): RequestHandler {
  return (request, response, next) => {
    const methods = methodsOf(router, request.path);
    if (methods.length === 0 || methods.includes(request.method)) return next();
    answerOther(request, response, methods);
  };
}

/** For files. */
export const onlyReading: RequestHandler = (request, response, next) => {
  if (READING.includes(request.method)) return next();
  answerOther(request, response, READING);
};
