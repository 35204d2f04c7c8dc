import express, { type Express, type RequestHandler, Router } from 'express';
import helmet from 'helmet';
import type { Admission } from '../shared/admission/index.ts';
import type { TokenSigner } from '../shared/auth/sign.ts';
import type { TokenVerifier } from '../shared/auth/verify.ts';
import type { ApiSettings } from '../shared/config.ts';
import type { Queries } from '../shared/database/index.ts';
import type { Health } from '../shared/health.ts';
import type { DriverPresence } from '../shared/presence/index.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import type { TripStore } from '../shared/trips/store.ts';
import { authenticate } from './middleware/authenticate.ts';
import { allowOrigins } from './middleware/cors.ts';
import { refuseOtherMethods } from './middleware/methods.ts';
import { limitRate } from './middleware/rate-limit.ts';
import { problemHandler, refuse } from './problem.ts';
import { driverReads } from './routes/driver-reads.ts';
import { driverWrites } from './routes/driver-writes.ts';
import { healthRoutes } from './routes/health.ts';
import { tripReads } from './routes/trip-reads.ts';
import { tripShare } from './routes/trip-share.ts';
import { tripWrites } from './routes/trip-writes.ts';

export type ApiOptions = {
  settings: ApiSettings;
  verifier: TokenVerifier;
  admission: Admission;
  presence: DriverPresence;
  trips: TripStore;
  signer: TokenSigner;
  queries: Queries;
  health: Health;
  log: Logger;
};

/** Positions are nobody's to keep on the way. */
const noStore: RequestHandler = (_request, response, next) => {
  response.setHeader('Cache-Control', 'no-store');
  next();
};

/** REST, put together. */
export function createApp(options: ApiOptions): Express {
  const { settings, verifier, queries, health, log } = options;
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('trust proxy', settings.trustProxy);
  app.use(helmet());
  app.use(allowOrigins(settings.corsOrigins));
  healthRoutes(app, health);

  const v1 = Router();
  driverReads(v1, { queries, driverStaleAfterMs: settings.driverStaleAfterMs });
  driverWrites(v1, options);
  tripReads(v1, queries);
  tripWrites(v1, options.trips);
  tripShare(v1, { queries, signer: options.signer, publicUrl: settings.publicUrl });
  app.use(
    '/v1',
    noStore,
    limitRate(settings.rateLimitPerMinute),
    authenticate(verifier),
    v1,
    refuseOtherMethods(v1),
  );

  app.use(refuseOtherMethods(app.router as unknown as Router), () => {
    throw refuse({ code: 'NOT_FOUND', message: 'there is no such resource' });
  });
  app.use(problemHandler(log));
  return app;
}
