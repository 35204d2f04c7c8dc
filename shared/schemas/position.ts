import { type Static, Type } from 'typebox';
import type { FieldError } from '../errors.ts';
import { compile, fieldErrors } from './ajv.ts';
import { named } from './common.ts';
import type { StoredPosition } from './outgoing.ts';
import { parseIsoTime } from './time.ts';

const optionalNumber = (options: object, description: string) =>
  Type.Optional(Type.Unsafe<number | null>({ type: ['number', 'null'], ...options, description }));

/** A position as clients send it (SPEC section 6). null counts as absent: browsers' Geolocation sends it. */
export const positionSchema = named(
  'Position',
  Type.Object({
    latitude: Type.Number({ minimum: -90, maximum: 90, description: 'degrees, WGS 84' }),
    longitude: Type.Number({ minimum: -180, maximum: 180, description: 'degrees, WGS 84' }),
    bearing: optionalNumber({ minimum: 0, exclusiveMaximum: 360 }, 'degrees clockwise from north'),
    speed: optionalNumber({ minimum: 0 }, 'm/s'),
    accuracy: optionalNumber({ minimum: 0 }, 'metres'),
    altitude: optionalNumber({}, 'metres'),
    battery: optionalNumber({ minimum: 0, maximum: 100 }, 'percent'),
    recordedAt: Type.Optional(
      Type.Unsafe<string | number | null>({
        type: ['string', 'integer', 'null'],
        description: 'ISO 8601 with an offset, or epoch milliseconds; by default the time of receipt',
      }),
    ),
  }),
);

/** Backlog of a device: see topic `drivers/{driverId}/locations`. */
export const MAX_BACKLOG_POSITIONS = 500;

export type Position = {
  latitude: number;
  longitude: number;
  bearing: number | null;
  speed: number | null;
  accuracy: number | null;
  altitude: number | null;
  battery: number | null;
  /** Epoch milliseconds. */
  recordedAt: number;
};

/** recordedAt null: the sender gave none, the log assigns the time of receipt. */
export type SubmittedPosition = Omit<Position, 'recordedAt'> & { recordedAt: number | null };

const validate = compile(positionSchema);

const timeRule: FieldError = {
  path: '/recordedAt',
  message: 'must be an ISO 8601 time with an offset, or epoch milliseconds',
};

/** ECMA-262, 21.4.1.1: the range of a Date. */
const MAX_EPOCH_MS = 8.64e15;

/** undefined: not a time. */
function parseRecordedAt(value: Static<typeof positionSchema>['recordedAt']): number | null | undefined {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return parseIsoTime(value);
  return Math.abs(value) <= MAX_EPOCH_MS ? value : undefined;
}

/** A sender learns of a bad time together with the other fields: no schema can check it. */
function hasBadTime(value: unknown): boolean {
  const given = (value as { recordedAt?: unknown } | null | undefined)?.recordedAt;
  return (
    (typeof given === 'string' || Number.isInteger(given)) &&
    parseRecordedAt(given as string | number) === undefined
  );
}

export type ParsedPosition = { position: SubmittedPosition } | { errors: readonly FieldError[] };

/** Validates one already parsed JSON value as a position. Unknown fields are ignored. */
export function parsePosition(value: unknown): ParsedPosition {
  if (!validate(value)) {
    const errors = fieldErrors(validate.errors);
    return { errors: hasBadTime(value) ? [...errors, timeRule] : errors };
  }
  const recordedAt = parseRecordedAt(value.recordedAt);
  if (recordedAt === undefined) return { errors: [timeRule] };
  return {
    position: {
      latitude: value.latitude,
      longitude: value.longitude,
      bearing: value.bearing ?? null,
      speed: value.speed ?? null,
      accuracy: value.accuracy ?? null,
      altitude: value.altitude ?? null,
      battery: value.battery ?? null,
      recordedAt,
    },
  };
}

type PositionFields = Omit<StoredPosition, 'driverId' | 'receivedAt' | 'tripId'>;

/** A position as it goes out, over MQTT and REST alike: what was not sent is left out. */
export function presentPosition(position: Position): PositionFields {
  const fields: PositionFields = {
    latitude: position.latitude,
    longitude: position.longitude,
    recordedAt: new Date(position.recordedAt).toISOString(),
  };
  if (position.bearing !== null) fields.bearing = position.bearing;
  if (position.speed !== null) fields.speed = position.speed;
  if (position.accuracy !== null) fields.accuracy = position.accuracy;
  if (position.altitude !== null) fields.altitude = position.altitude;
  if (position.battery !== null) fields.battery = position.battery;
  return fields;
}
