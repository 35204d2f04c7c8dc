import type { RequestHandler, Router } from 'express';
import { refuse } from '../problem.ts';

type Layer = { route?: { methods: Record<string, boolean> }; match(path: string): boolean };

/**
 * A known path with an unknown method is 405 with `Allow` (RFC 9110, 15.5.6), not 404. OPTIONS is what asks for just that header.
 */
export function refuseOtherMethods(router: Router): RequestHandler {
  return (request, response, next) => {
    const methods = new Set<string>();
    for (const layer of router.stack as unknown as Layer[]) {
      if (layer.route === undefined || !layer.match(request.path)) continue;
      for (const method of Object.keys(layer.route.methods)) methods.add(method.toUpperCase());
    }
    if (methods.size === 0) return next();
    if (methods.has('GET')) methods.add('HEAD');
    const allow = [...methods].sort().join(', ');
    response.setHeader('Allow', allow);
    if (request.method === 'OPTIONS') return void response.status(204).end();
    throw refuse({ code: 'METHOD_NOT_ALLOWED', message: `this resource knows ${allow}` });
  };
}
