import { createHash } from 'node:crypto';
import type { Request } from 'express';
import { Type } from 'typebox';
import { idSchema, named, orNull } from '../../shared/schemas/common.ts';
import { placeSchema, tripSchema } from '../../shared/schemas/outgoing.ts';
import type { IdempotentRequest } from '../../shared/trips/sql/idempotency-key.ts';
import type { TripStore } from '../../shared/trips/store.ts';
import { invalidBody } from '../body.ts';
import { type Route, route } from '../http/route.ts';
import { MAX_BODY } from '../middleware/json-body.ts';
import { refuse } from '../problem.ts';
import { invalidParameters } from '../query.ts';
import { examples } from '../schemas/examples.ts';

/** Bytes of JSON; SPEC section 8. */
const MAX_METADATA_BYTES = 4096;

const newTripSchema = named(
  'NewTrip',
  Type.Object({
    riderId: idSchema('who rides'),
    driverId: Type.Optional(orNull(idSchema('who drives'))),
    pickup: placeSchema,
    dropoff: placeSchema,
    metadata: Type.Optional(
      Type.Object({}, { additionalProperties: true, description: 'up to 4 KiB of JSON, kept and returned' }),
    ),
  }),
);

/**
 * What PostgreSQL's jsonb can't hold, in JSON as it is written: NUL, and halves of a surrogate pair (whole ones are written
 * as they are). An even number of backslashes before it makes it plain text.
 */
const unstorable = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f]..)/;

/** JSON of a value that was JSON. Reading has no limit of depth, writing has that of the stack: undefined. */
function written(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

const tooDeep = () => invalidBody([{ path: '', message: 'is nested too deeply' }]);

function checkMetadata(metadata: object): object {
  const text = written(metadata);
  if (text === undefined) throw tooDeep();
  if (Buffer.byteLength(text) > MAX_METADATA_BYTES)
    throw invalidBody([
      { path: '/metadata', message: `must be at most ${MAX_METADATA_BYTES} bytes of JSON` },
    ]);
  if (unstorable.test(text))
    throw invalidBody([{ path: '/metadata', message: 'must not contain NUL or half a surrogate pair' }]);
  return metadata;
}

const keyPattern = /^[\x21-\x7e]{1,255}$/;

/** draft-ietf-httpapi-idempotency-key-header: the key may come as a quoted string. */
function idempotentRequest(request: Request, sub: string, body: unknown): IdempotentRequest | undefined {
  const header = request.get('Idempotency-Key');
  if (header === undefined) return undefined;
  const key = header.trim().replace(/^"(.*)"$/, '$1');
  if (!keyPattern.test(key))
    throw invalidParameters([
      { path: '/Idempotency-Key', message: 'must be 1 to 255 visible ASCII characters' },
    ]);
  const text = written(body);
  if (text === undefined) throw tooDeep();
  return { sub, key, fingerprint: createHash('sha256').update(text).digest('base64url') };
}

/** Booking a trip. */
export function tripBookingRoute(trips: TripStore): Route {
  return route({
    method: 'post',
    path: '/v1/trips',
    operationId: 'bookTrip',
    tag: 'Trips',
    summary: 'Book a trip',
    description:
      'With an `Idempotency-Key` (kept for 24 hours) a request may be sent again: the trip is booked once, and the answer is that trip.',
    access: 'bearer',
    headers: Type.Object({
      'Idempotency-Key': Type.Optional(
        Type.String({
          pattern: '^([\\x21\\x23-\\x7e][\\x21-\\x7e]{0,254}|"[\\x21-\\x7e]{1,255}")$',
          description: '1 to 255 visible ASCII characters of your own, in quotes or without',
        }),
      ),
    }),
    body: { schema: newTripSchema, maxBytes: MAX_BODY, example: examples.newTrip },
    success: {
      status: 201,
      description: 'Booked',
      content: [{ mediaType: 'application/json', schema: tripSchema, example: examples.trip }],
      headers: [{ name: 'Location', description: 'of the trip', schema: Type.String() }],
    },
    errors: ['INVALID_PAYLOAD', 'INVALID_PARAMETER', 'FORBIDDEN', 'IDEMPOTENCY_CONFLICT'],
    authorize(identity) {
      if (identity.role === 'DRIVER' || identity.role === 'VIEWER')
        throw refuse({ code: 'FORBIDDEN', message: 'only a RIDER, OPERATOR or SERVICE may book a trip' });
    },
    async handle({ body, identity, request, response }) {
      const { riderId, driverId, pickup, dropoff, metadata } = body;
      if (identity.role === 'RIDER' && riderId !== identity.sub)
        throw refuse({ code: 'FORBIDDEN', message: 'you may only book a trip for yourself' });
      const trip = await trips.create(
        { riderId, driverId: driverId ?? null, pickup, dropoff, metadata: checkMetadata(metadata ?? {}) },
        identity,
        idempotentRequest(request, identity.sub, body),
      );
      response.location(`/v1/trips/${trip.id}`);
      return trip;
    },
  });
}
