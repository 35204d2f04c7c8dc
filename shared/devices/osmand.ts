import { parseIsoTime } from '../schemas/time.ts';
import type { DeviceMessage } from './message.ts';
import { accuracyOf, altitudeOf, bearingOf, KNOTS, percentOf, speedOf } from './readings.ts';

/*
 * The OsmAnd protocol, which Traccar Client spoke before its version 9 and many trackers do: the parameters of a query, or the same in a
 * form. https://www.traccar.org/osmand/ and Traccar's OsmAndProtocolDecoder.
 */

/** Parameters by name. What is not among those read here is an attribute, and is left alone. */
type Fields = Readonly<Record<string, unknown>>;

/** From this number on a time is in milliseconds. */
const FIRST_IN_MS = 2_147_483_647;

const decimal = /^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/;

/** Text of a parameter; undefined where it is missing or empty. */
function textOf(value: unknown): string | undefined {
  const text = typeof value === 'string' ? value.trim() : '';
  return text === '' ? undefined : text;
}

/** A number; what is none stays text, for the validation to name. */
function numberOf(value: unknown): number | string | undefined {
  const text = textOf(value);
  return text !== undefined && decimal.test(text) ? Number(text) : text;
}

/** Epoch ms of epoch seconds or milliseconds, ISO 8601, or `yyyy-MM-dd HH:mm:ss` in UTC; what is none stays text. */
function timeOf(value: unknown): number | string | undefined {
  const time = numberOf(value);
  if (typeof time === 'number') return Math.round(time < FIRST_IN_MS ? time * 1000 : time);
  if (time === undefined) return undefined;
  // A plus that nobody encoded arrives as a space
  const iso = time.includes('T') ? time.replace(/ (\d{2}:?\d{2})$/, '+$1') : `${time}Z`;
  return parseIsoTime(iso) ?? time;
}

/** `lat` and `lon`, or both in `location`. */
function placeOf({ lat, lon, location }: Fields): { latitude: unknown; longitude: unknown } {
  const [latitude, longitude] = textOf(location)?.split(',') ?? [lat, lon];
  return { latitude: numberOf(latitude), longitude: numberOf(longitude) };
}

const isSet = (value: unknown) => textOf(value) !== undefined;

/** One message. Without a place but with radio cells or networks, or with a fix that its device calls invalid, it tells us nothing. */
export function readOsmAnd(fields: Fields): DeviceMessage {
  const { id, deviceid, valid, speed, bearing, heading, altitude, accuracy, batt, timestamp } = fields;
  const place = placeOf(fields);
  const hasPlace = place.latitude !== undefined || place.longitude !== undefined;
  if (!hasPlace && ['cell', 'wifi'].some((name) => fields[name] !== undefined)) return { kind: 'other' };
  if (isSet(valid) && !/^(true|1)$/i.test(textOf(valid) ?? '')) return { kind: 'other' };
  return {
    kind: 'position',
    id: textOf(id) ?? textOf(deviceid),
    position: {
      ...place,
      bearing: bearingOf(numberOf(isSet(bearing) ? bearing : heading)),
      speed: speedOf(numberOf(speed), KNOTS),
      accuracy: accuracyOf(numberOf(accuracy)),
      altitude: altitudeOf(numberOf(altitude)),
      battery: percentOf(numberOf(batt)),
      recordedAt: timeOf(timestamp),
    },
  };
}
