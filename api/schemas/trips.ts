import { Type } from 'typebox';
import { type TripStatus, tripStatuses } from '../../shared/trips/status.ts';

export const idSchema = (description: string) =>
  Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$', description });

const placeSchema = Type.Object(
  {
    latitude: Type.Number({ minimum: -90, maximum: 90 }),
    longitude: Type.Number({ minimum: -180, maximum: 180 }),
    // NUL has no place in PostgreSQL's text
    address: Type.Optional(Type.String({ maxLength: 500, pattern: '^[^\\u0000]*$' })),
  },
  { description: 'WGS 84 degrees, and what to call it' },
);

export const newTripSchema = Type.Object({
  riderId: idSchema('who rides'),
  driverId: Type.Optional(Type.Union([idSchema('who drives'), Type.Null()])),
  pickup: placeSchema,
  dropoff: placeSchema,
  metadata: Type.Optional(
    Type.Object({}, { additionalProperties: true, description: 'up to 4 KiB of JSON' }),
  ),
});

export const planSchema = Type.Object(
  {
    driverId: Type.Optional(Type.Union([idSchema('who drives'), Type.Null()])),
    pickup: Type.Optional(placeSchema),
    dropoff: Type.Optional(placeSchema),
  },
  { minProperties: 1 },
);

export const statusSchema = Type.Unsafe<TripStatus>({ type: 'string', enum: [...tripStatuses] });

/** Bytes of JSON; SPEC section 8. */
export const MAX_METADATA_BYTES = 4096;
