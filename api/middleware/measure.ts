import type { Request, RequestHandler, Response } from 'express';
import type { Metrics } from '../../shared/telemetry/metrics.ts';
import type { Method, Route } from '../http/route.ts';

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE']);

type Template = { path: string; method: Method; pattern: RegExp };

/** As Express finds them: whatever the case, with a slash at the end or not. */
const templateOf = ({ path, method }: Route): Template => ({
  path,
  method,
  pattern: new RegExp(`^${path.replace(/[.+*?^$()[\]|\\]/g, '\\$&').replace(/\{\w+\}/g, '[^/]+')}/?$`, 'i'),
});

/** The route of a request, by its template; what is none of ours has one name together, whatever was asked for. */
export function routeNames(routes: readonly Route[]): (method: string, url: string) => string {
  const templates = routes.map(templateOf);
  return (method, url) => {
    const path = url.split('?', 1)[0] ?? '';
    const wanted = method === 'HEAD' ? 'get' : method.toLowerCase();
    const fitting = templates.filter(({ pattern }) => pattern.test(path));
    const [first = { path: /^\/(docs|redoc)\//i.test(path) ? 'assets' : 'unknown' }] = fitting;
    return (fitting.find((template) => template.method === wanted) ?? first).path;
  };
}

const isStream = (response: Response) =>
  String(response.getHeader('Content-Type') ?? '').startsWith('text/event-stream');

/**
 * Counts and times every request, also one that is refused before its route is found. No label has more values than there are methods,
 * routes and statuses in the code: nothing that a client sends becomes one.
 */
export function measure(
  { requests, requestSeconds }: Pick<Metrics, 'requests' | 'requestSeconds'>,
  routes: readonly Route[],
): RequestHandler {
  const nameOf = routeNames(routes);
  const ended = (request: Request, response: Response, seconds: number) => {
    const method = METHODS.has(request.method) ? request.method : 'other';
    const route = nameOf(request.method, request.originalUrl);
    const status = response.headersSent ? String(response.statusCode) : 'aborted';
    requests.inc({ method, route, status });
    // As long as a trip
    if (status === 'aborted' || isStream(response)) return;
    requestSeconds.observe({ method, route, status: `${status[0]}xx` }, seconds);
  };
  return (request, response, next) => {
    const startedAt = performance.now();
    response.once('close', () => ended(request, response, (performance.now() - startedAt) / 1000));
    next();
  };
}
