import type { Request, Response, Router } from 'express';
import { compile } from '../../shared/schemas/ajv.ts';
import type { TripStore } from '../../shared/trips/store.ts';
import { parseTransition } from '../../shared/trips/transition-message.ts';
import { tripIdPattern } from '../../shared/trips/trip.ts';
import { invalidBody, readBody } from '../body.ts';
import { identityOf } from '../middleware/authenticate.ts';
import { jsonBody } from '../middleware/json-body.ts';
import { tripNotFound } from '../middleware/trip.ts';
import { refuse } from '../problem.ts';
import { MAX_METADATA_BYTES, newTripSchema, planSchema } from '../schemas/trips.ts';

const validateNewTrip = compile(newTripSchema);
const validatePlan = compile(planSchema);

const isStaff = (role: string) => role === 'OPERATOR' || role === 'SERVICE';

function checkMetadata(metadata: object): object {
  const text = JSON.stringify(metadata);
  if (Buffer.byteLength(text) > MAX_METADATA_BYTES)
    throw invalidBody([
      { path: '/metadata', message: `must be at most ${MAX_METADATA_BYTES} bytes of JSON` },
    ]);
  // PostgreSQL's jsonb can't hold NUL
  if (text.includes('\\u0000')) throw invalidBody([{ path: '/metadata', message: 'must not contain NUL' }]);
  return metadata;
}

/** Booking, planning and moving trips on. */
export function tripWrites(router: Router, trips: TripStore): void {
  router.post('/trips', jsonBody(), async (request: Request, response: Response) => {
    const identity = identityOf(request);
    if (identity.role === 'DRIVER' || identity.role === 'VIEWER')
      throw refuse({ code: 'FORBIDDEN', message: 'only a RIDER, OPERATOR or SERVICE may book a trip' });
    const { riderId, driverId, pickup, dropoff, metadata } = readBody(validateNewTrip, request.body);
    if (identity.role === 'RIDER' && riderId !== identity.sub)
      throw refuse({ code: 'FORBIDDEN', message: 'you may only book a trip for yourself' });
    const trip = await trips.create(
      { riderId, driverId: driverId ?? null, pickup, dropoff, metadata: checkMetadata(metadata ?? {}) },
      identity,
    );
    response.status(201).location(`/v1/trips/${trip.id}`).json(trip);
  });

  router.patch(
    '/trips/:tripId',
    jsonBody(),
    async (request: Request<{ tripId: string }>, response: Response) => {
      const identity = identityOf(request as unknown as Request);
      const { tripId } = request.params;
      // Whose trip it is does not matter here, so nobody learns whether it exists
      if (!isStaff(identity.role))
        throw refuse({ code: 'FORBIDDEN', message: 'only an OPERATOR or SERVICE may change a trip' });
      const plan = readBody(validatePlan, request.body);
      if (!tripIdPattern.test(tripId)) throw tripNotFound();
      response.json(await trips.plan(tripId, plan, identity));
    },
  );

  router.patch(
    '/trips/:tripId/status',
    jsonBody(),
    async (request: Request<{ tripId: string }>, response: Response) => {
      const { tripId } = request.params;
      const parsed = parseTransition(request.body, Date.now());
      if ('refusal' in parsed) throw refuse(parsed.refusal);
      if (!tripIdPattern.test(tripId)) throw tripNotFound();
      const actor = identityOf(request as unknown as Request);
      response.json(await trips.transition({ ...parsed.transition, tripId, actor }));
    },
  );
}
