import type { RequestHandler, Router } from 'express';
import { compile, fieldErrors } from '../../shared/schemas/ajv.ts';
import { invalidBody } from '../body.ts';
import { identityOf } from '../middleware/authenticate.ts';
import { jsonBody, textBody } from '../middleware/json-body.ts';
import { nameRoute } from '../middleware/log-requests.ts';
import { invalidParameters, queryReader } from '../query.ts';
import type { Route } from './route.ts';

/** `/v1/trips/{tripId}` → `/trips/:tripId`, below `prefix`. */
const expressPath = (path: string, prefix: string) => path.slice(prefix.length).replace(/\{(\w+)\}/g, ':$1');

const noIdentity = Symbol('everyone');

/** Puts a route's chain together: parameters, rights, body, query, and then its own work. Schemas are compiled here, once. */
function chain(definition: Route): RequestHandler[] {
  const { access, params, query, body, success, authorize, handle } = definition;
  const checkParams = params && compile(params);
  const readQuery = query && queryReader(query);
  const checkBody = body === undefined || body.checkedLater || body.asText ? undefined : compile(body.schema);
  const identity = (request: Parameters<RequestHandler>[0]) =>
    access === 'everyone' ? (noIdentity as never) : identityOf(request);

  const gate: RequestHandler = (request, _response, next) => {
    const given: unknown = request.params;
    if (checkParams !== undefined && !checkParams(given))
      throw invalidParameters(fieldErrors(checkParams.errors));
    authorize?.(identity(request), given as never);
    next();
  };

  const work: RequestHandler = async (request, response) => {
    const given: unknown = request.body;
    if (checkBody !== undefined && !checkBody(given)) throw invalidBody(fieldErrors(checkBody.errors));
    const answer = await handle({
      params: request.params as never,
      query: readQuery?.(request.query) ?? {},
      body: given as never,
      identity: identity(request),
      request,
      response,
    });
    if (answer !== undefined) response.status(success.status).json(answer);
    else if (!response.headersSent && success.content === undefined) {
      // Of 204 it goes without saying
      if (success.status !== 204) response.setHeader('Content-Length', 0);
      response.status(success.status).end();
    }
  };

  const parse = body?.asText ? textBody : jsonBody;
  return [gate, ...(body === undefined ? [] : parse(body.maxBytes)), work];
}

/** `before`: what comes before the chain of each route. */
export function mount(
  router: Router,
  routes: readonly Route[],
  prefix: string,
  before: readonly RequestHandler[] = [],
): void {
  for (const definition of routes)
    router[definition.method](
      expressPath(definition.path, prefix),
      nameRoute(definition.path),
      ...before,
      ...chain(definition),
    );
}
