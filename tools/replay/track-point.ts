import { parseTime } from './times.ts';
import { parseDecimal, type SpeedUnit, toMetersPerSecond } from './units.ts';

/** What a file can say about a position: SPEC section 6 and whose it is. */
export const positionFields = [
  'latitude',
  'longitude',
  'recordedAt',
  'driverId',
  'speed',
  'bearing',
  'altitude',
  'accuracy',
  'battery',
] as const;

export type PositionField = (typeof positionFields)[number];

/** The text of each field as it stands in the file. */
export type RawFields = Partial<Record<PositionField, string>>;

/** A recorded position. Every field is always there, so that a million of them share one shape in memory. */
export type TrackPoint = {
  /** Whose: the track id of the file, not yet a driver id. */
  track: string;
  /** Epoch milliseconds, as recorded. */
  timeMs: number;
  /** Degrees, WGS 84. */
  latitude: number;
  longitude: number;
  /** Degrees clockwise from north, 0 <= b < 360. */
  bearing: number | undefined;
  /** m/s */
  speed: number | undefined;
  /** Metres. */
  altitude: number | undefined;
  accuracy: number | undefined;
  /** Percent. */
  battery: number | undefined;
};

/** How often an optional value made no sense and was left out, by field. */
export type LeftOut = Map<PositionField, number>;

export type ReadPoint = { point: TrackPoint } | { reason: string };

const inRange =
  (minimum: number, maximum: number) =>
  (value: number): number | undefined =>
    value >= minimum && value <= maximum ? value : undefined;

const latitude = inRange(-90, 90);
const longitude = inRange(-180, 180);

/**
 * Receivers say "not known" in many ways (-1, NaN, n/a): an optional value that can't be one is left out, and the
 * position stays. A bearing of 360 is north.
 */
const optional = {
  speed: inRange(0, Number.MAX_VALUE),
  bearing: (value: number) => (value === 360 ? 0 : inRange(0, 360)(value)),
  altitude: inRange(-Number.MAX_VALUE, Number.MAX_VALUE),
  accuracy: inRange(0, Number.MAX_VALUE),
  battery: inRange(0, 100),
} as const;

type OptionalField = keyof typeof optional;

const isBlank = (text: string | undefined): text is undefined | '' =>
  text === undefined || text.trim() === '';

/** The position that a row or a GPX point holds, or the reason why it holds none. */
export function readPoint(raw: RawFields, track: string, speedUnit: SpeedUnit, leftOut: LeftOut): ReadPoint {
  for (const field of ['latitude', 'longitude', 'recordedAt'] as const)
    if (isBlank(raw[field])) return { reason: `no ${field}` };
  const lat = latitude(parseDecimal(raw.latitude ?? '') ?? Number.NaN);
  if (lat === undefined) return { reason: `latitude "${raw.latitude}" is not a number from -90 to 90` };
  const lon = longitude(parseDecimal(raw.longitude ?? '') ?? Number.NaN);
  if (lon === undefined) return { reason: `longitude "${raw.longitude}" is not a number from -180 to 180` };
  const timeMs = parseTime(raw.recordedAt ?? '');
  if (timeMs === undefined) return { reason: `time "${raw.recordedAt}" is not one that is known here` };

  const take = (field: OptionalField): number | undefined => {
    const text = raw[field];
    if (isBlank(text)) return undefined;
    const value = optional[field](parseDecimal(text) ?? Number.NaN);
    if (value === undefined) leftOut.set(field, (leftOut.get(field) ?? 0) + 1);
    return value;
  };
  const speed = take('speed');
  return {
    point: {
      track,
      timeMs,
      latitude: lat,
      longitude: lon,
      bearing: take('bearing'),
      speed: speed === undefined ? undefined : toMetersPerSecond(speed, speedUnit),
      altitude: take('altitude'),
      accuracy: take('accuracy'),
      battery: take('battery'),
    },
  };
}
