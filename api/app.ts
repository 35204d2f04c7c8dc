import express, { type Express, type RequestHandler, Router } from 'express';
import helmet from 'helmet';
import packageJson from '../package.json' with { type: 'json' };
import { asyncApiDocument } from './asyncapi.ts';
import { documentAssets, documentRoutes } from './documents.ts';
import { noContent } from './http/content-policy.ts';
import { mount } from './http/mount.ts';
import type { OpenStreams } from './live/open-streams.ts';
import { authenticate } from './middleware/authenticate.ts';
import { authenticateDevice } from './middleware/authenticate-device.ts';
import { compress } from './middleware/compress.ts';
import { allowOrigins } from './middleware/cors.ts';
import { logRequests } from './middleware/log-requests.ts';
import { measure } from './middleware/measure.ts';
import { onlyMethodsOf } from './middleware/methods.ts';
import { limitRate } from './middleware/rate-limit.ts';
import { RateLimitStore } from './middleware/rate-limit-store.ts';
import { nameRequest } from './middleware/request-id.ts';
import { traceRequests } from './middleware/trace-requests.ts';
import { openApiDocument } from './openapi.ts';
import type { ApiOptions } from './options.ts';
import { problemHandler, refuse } from './problem.ts';
import { healthRoutes } from './routes/health.ts';
import { apiRoutes, deviceRoutes } from './routes.ts';

const { version: VERSION } = packageJson;

/** Positions are nobody's to keep on the way. */
const noStore: RequestHandler = (_request, response, next) => {
  response.setHeader('Cache-Control', 'no-store');
  next();
};

/** REST, put together. */
export function createApp(options: ApiOptions, streams: OpenStreams): Express {
  const { settings, verifier, health, log } = options;
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('trust proxy', settings.trustProxy);
  app.use(helmet({ contentSecurityPolicy: noContent }));
  const routes = apiRoutes(options, streams);
  const doors = deviceRoutes(options);
  const open = [
    ...healthRoutes(health),
    ...documentRoutes(
      () => openApi,
      () => asyncApi,
    ),
  ];
  app.use(measure(options.metrics, [...routes, ...doors, ...open]), nameRequest, logRequests(log));
  if (options.traces !== undefined) app.use(traceRequests(options.traces));
  app.use(compress);
  app.use(allowOrigins(settings.corsOrigins));

  const { publicUrl } = settings;
  const openApi = openApiDocument([...routes, ...doors, ...open], publicUrl, VERSION);
  const asyncApi = asyncApiDocument(new URL(publicUrl).hostname, VERSION);
  const pages = Router();
  mount(pages, open, '');
  app.use(onlyMethodsOf(pages), pages, documentAssets());
  const limit = limitRate(
    settings.rateLimitPerMinute,
    options.sharedCounts && new RateLimitStore(options.sharedCounts, options.log),
  );
  const v1 = Router();
  mount(v1, routes, '/v1');
  app.use('/v1', noStore, limit, authenticate(verifier), onlyMethodsOf(v1), v1);
  const devices = Router();
  mount(devices, doors, '', [noStore, authenticateDevice(verifier, limit)]);
  app.use(onlyMethodsOf(devices), devices);

  app.use(() => {
    throw refuse({ code: 'NOT_FOUND', message: 'there is no such resource' });
  });
  app.use(problemHandler(log));
  return app;
}
