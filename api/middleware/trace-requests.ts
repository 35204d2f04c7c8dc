import type { Request, RequestHandler } from 'express';
import type { Step, Traces } from '../../shared/telemetry/traces/index.ts';
import { routeOf } from './log-requests.ts';
import { requestIdOf } from './request-id.ts';

const steps = new WeakMap<Request, Step>();

/** For what comes of this request; undefined: it is not traced. */
export const traceOf = (request: Request): string | undefined => steps.get(request)?.traceparent;

/** Probes ask every few seconds, and nobody wants to know how that went. */
const isProbe = ({ path }: Request) => path.startsWith('/health');

/** A step for each request, of its caller's trace where that sent its `traceparent`. By the semantic conventions for HTTP servers. */
export function traceRequests(traces: Traces): RequestHandler {
  return (request, response, next) => {
    const { method } = request;
    const step = isProbe(request)
      ? undefined
      : traces.start(method, {
          kind: 'server',
          parent: request.get('traceparent'),
          attributes: {
            'http.request.method': method,
            'url.scheme': request.protocol,
            'fleetcast.request_id': requestIdOf(request),
          },
        });
    if (step === undefined) return next();
    steps.set(request, step);
    response.once('close', () => {
      const route = routeOf(response);
      const { statusCode: status } = response;
      // The path itself may have a token in it, or say who
      if (route !== undefined) {
        step.name(`${method} ${route}`);
        step.set({ 'http.route': route });
      }
      step.set({ 'http.response.status_code': status });
      if (!response.writableFinished) step.end('ABORTED');
      else step.end(status >= 500 ? String(status) : undefined);
    });
    next();
  };
}
