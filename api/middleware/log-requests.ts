import type { RequestHandler, Response } from 'express';
import type { Logger } from '../../shared/telemetry/log.ts';
import { requestIdOf } from './request-id.ts';

/** The route that answers, by its template: what a client asked for may have a token in it, or a place. */
export const nameRoute =
  (template: string): RequestHandler =>
  (_request, response, next) => {
    response.locals.route = template;
    next();
  };

export const routeOf = ({ locals }: Response): string | undefined => locals.route as string | undefined;

/** These come by the thousand: one line for each position is for the most talkative level alone. */
const bringsPositions = (method: string, route: string | undefined) =>
  route !== undefined &&
  (/^\/(owntracks|osmand)/.test(route) || (method === 'POST' && /\/locations?$/.test(route)));

/** One line for each request, once it is answered: for whoever asks for it (`LOG_LEVEL=debug`). */
export function logRequests(log: Logger): RequestHandler {
  return (request, response, next) => {
    if (!log.isLevelEnabled('debug')) return next();
    const startedAt = performance.now();
    response.once('close', () => {
      const route = routeOf(response);
      log[bringsPositions(request.method, route) ? 'trace' : 'debug'](
        {
          requestId: requestIdOf(request),
          method: request.method,
          route,
          status: response.writableFinished ? response.statusCode : 'aborted',
          ms: Math.round(performance.now() - startedAt),
        },
        'request answered',
      );
    });
    next();
  };
}
