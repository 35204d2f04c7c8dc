import { type Static, Type } from 'typebox';
import { type ErrorCode, errorCatalogue } from '../errors.ts';
import { type TripStatus, tripStatuses } from '../trips/status.ts';
import { idSchema, type NamedSchema, named, noNul, orNull, timeSchema, tripIdSchema } from './common.ts';
import { type DriverStatus, driverStatuses } from './driver-status.ts';

/*
 * What goes out, over MQTT and REST: the shapes of SPEC sections 5 and 8. Documents are made of these, and tests hold answers
 * against them.
 */

const positionFields = {
  driverId: idSchema('who was there'),
  latitude: Type.Number({ minimum: -90, maximum: 90, description: 'degrees, WGS 84' }),
  longitude: Type.Number({ minimum: -180, maximum: 180, description: 'degrees, WGS 84' }),
  bearing: Type.Optional(
    Type.Number({ minimum: 0, exclusiveMaximum: 360, description: 'degrees clockwise from north' }),
  ),
  speed: Type.Optional(Type.Number({ minimum: 0, description: 'm/s' })),
  accuracy: Type.Optional(Type.Number({ minimum: 0, description: 'metres' })),
  altitude: Type.Optional(Type.Number({ description: 'metres' })),
  battery: Type.Optional(Type.Number({ minimum: 0, maximum: 100, description: 'percent' })),
  recordedAt: timeSchema,
  receivedAt: timeSchema,
  tripId: Type.Optional(tripIdSchema),
};

export const driverStatusValue = Type.Unsafe<DriverStatus>({ type: 'string', enum: [...driverStatuses] });
export const tripStatusValue = Type.Unsafe<TripStatus>({ type: 'string', enum: [...tripStatuses] });

export const storedPositionSchema = named('StoredPosition', Type.Object(positionFields));
export type StoredPosition = Static<typeof storedPositionSchema>;

const ageSeconds = Type.Number({ minimum: 0, description: 'seconds since recordedAt' });

export const currentPositionSchema = named(
  'CurrentPosition',
  Type.Object({ ...positionFields, status: driverStatusValue, ageSeconds }),
);
export type CurrentPosition = Static<typeof currentPositionSchema>;

export const nearbyDriverSchema = named(
  'NearbyDriver',
  Type.Object({
    ...positionFields,
    status: driverStatusValue,
    ageSeconds,
    distanceMeters: Type.Number({ minimum: 0 }),
  }),
);
export type NearbyDriver = Static<typeof nearbyDriverSchema>;

export const etaSchema = named(
  'Eta',
  Type.Object({
    seconds: Type.Integer({ minimum: 0 }),
    meters: Type.Integer({ minimum: 0 }),
    to: Type.Unsafe<'pickup' | 'dropoff'>({ type: 'string', enum: ['pickup', 'dropoff'] }),
  }),
);

export const tripLocationSchema = named(
  'TripLocation',
  Type.Object({
    ...positionFields,
    tripId: tripIdSchema,
    eta: etaSchema,
    near: Type.Optional(Type.Literal('pickup', { description: 'the driver waits at the pickup' })),
  }),
);
export type TripLocation = Static<typeof tripLocationSchema>;

export const driverStatusMessageSchema = named(
  'DriverStatus',
  Type.Object({ status: driverStatusValue, driverId: idSchema('whose status'), receivedAt: timeSchema }),
);
export type DriverStatusMessage = Static<typeof driverStatusMessageSchema>;

export const placeSchema = named(
  'Place',
  Type.Object(
    {
      latitude: Type.Number({ minimum: -90, maximum: 90 }),
      longitude: Type.Number({ minimum: -180, maximum: 180 }),
      address: Type.Optional(Type.String({ maxLength: 500, pattern: noNul })),
    },
    { description: 'WGS 84 degrees, and what to call it' },
  ),
);

export const tripSchema = named(
  'Trip',
  Type.Object({
    id: tripIdSchema,
    riderId: idSchema('who rides'),
    driverId: orNull(idSchema('who drives')),
    status: tripStatusValue,
    version: Type.Integer({ minimum: 1, description: 'grows by one with every change' }),
    pickup: placeSchema,
    dropoff: placeSchema,
    metadata: Type.Object({}, { additionalProperties: true, description: 'kept as it was given' }),
    createdAt: timeSchema,
    updatedAt: timeSchema,
    enRouteAt: orNull(timeSchema),
    arrivedAt: orNull(timeSchema),
    startedAt: orNull(timeSchema),
    completedAt: orNull(timeSchema),
    cancelledAt: orNull(timeSchema),
    cancelReason: orNull(Type.String()),
    distanceMeters: orNull(Type.Number({ minimum: 0, description: 'length of the track while IN_PROGRESS' })),
    durationSeconds: orNull(Type.Number({ minimum: 0 })),
  }),
);

export const tripEventSchema = named(
  'TripEvent',
  Type.Object({
    version: Type.Integer({ minimum: 1 }),
    status: tripStatusValue,
    previous: orNull(tripStatusValue),
    at: timeSchema,
    actor: Type.Object({ sub: Type.String(), role: Type.String() }),
    reason: orNull(Type.String()),
  }),
);

export const tripStatusMessageSchema = named(
  'TripStatus',
  Type.Object({
    tripId: tripIdSchema,
    status: tripStatusValue,
    previous: orNull(tripStatusValue),
    version: Type.Integer({ minimum: 1 }),
    at: timeSchema,
    driverId: orNull(idSchema('who drives')),
    distanceMeters: Type.Optional(Type.Number({ minimum: 0 })),
    durationSeconds: Type.Optional(Type.Number({ minimum: 0 })),
  }),
);

export const errorCode = Type.Unsafe<ErrorCode>({ type: 'string', enum: Object.keys(errorCatalogue) });

export const errorMessageSchema = named(
  'ErrorMessage',
  Type.Object({
    code: errorCode,
    message: Type.String(),
    topic: Type.String({ description: 'what was published to' }),
    at: timeSchema,
    retryAfterMs: Type.Optional(Type.Number({ minimum: 0 })),
  }),
);
export type ErrorMessage = Static<typeof errorMessageSchema>;

export const problemSchema = named(
  'Problem',
  Type.Object(
    {
      type: Type.String({ format: 'uri' }),
      title: Type.String(),
      status: Type.Integer({ minimum: 400, maximum: 599 }),
      code: errorCode,
      detail: Type.String(),
      instance: Type.String({
        format: 'uri',
        description: 'this request, with its X-Request-Id, as it stands in the log',
      }),
      errors: Type.Optional(
        Type.Array(Type.Object({ path: Type.String(), message: Type.String() }), {
          description: 'every wrong field: a JSON Pointer into the body, or the name of a parameter',
        }),
      ),
      retryAfterMs: Type.Optional(Type.Number({ minimum: 0 })),
    },
    { description: 'RFC 9457' },
  ),
);
export type Problem = Static<typeof problemSchema>;

/** A page of a list. */
export const pageOf = <Schema extends NamedSchema>(schema: Schema) =>
  named(
    `${schema.title}Page`,
    Type.Object({
      items: Type.Array(schema),
      nextCursor: orNull(Type.String({ description: 'for the next page; null: this was the last' })),
    }),
  );
