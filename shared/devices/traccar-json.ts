import { Type } from 'typebox';
import { parseIsoTime } from '../schemas/time.ts';
import { type DeviceMessage, objectOf } from './message.ts';
import { accuracyOf, altitudeOf, bearingOf, percentOfShare, speedOf } from './readings.ts';

/*
 * What Traccar Client sends since its version 9: the template in its lib/preferences.dart, and Traccar's OsmAndProtocolDecoder.
 */

const METRES_PER_SECOND = 1;

/** -1: unknown. */
const reading = (description: string) => Type.Optional(Type.Number({ description }));

/** For the documents. What else is in a message is ignored. */
export const traccarSchema = Type.Object(
  {
    device_id: Type.Optional(
      Type.String({ description: 'counts for a SERVICE token; a DRIVER token decides itself' }),
    ),
    location: Type.Object(
      {
        timestamp: Type.Optional(Type.String({ description: 'ISO 8601' })),
        coords: Type.Optional(
          Type.Object(
            {
              latitude: Type.Number({ minimum: -90, maximum: 90, description: 'degrees' }),
              longitude: Type.Number({ minimum: -180, maximum: 180, description: 'degrees' }),
              accuracy: reading('metres'),
              speed: reading('m/s; -1: unknown'),
              heading: reading('degrees clockwise from north; -1: unknown'),
              altitude: reading('metres'),
            },
            { additionalProperties: true },
          ),
        ),
        battery: Type.Optional(
          Type.Object({ level: reading('0 to 1; -1: unknown') }, { additionalProperties: true }),
        ),
      },
      { additionalProperties: true },
    ),
  },
  { additionalProperties: true, description: 'a message of Traccar Client 9 or newer' },
);

/** One message, parsed. Without coordinates it is a sign of life. */
export function readTraccarJson(value: unknown): DeviceMessage {
  const message = objectOf(value);
  const location = objectOf(message?.location);
  if (message === undefined || location === undefined)
    return { kind: 'malformed', problem: 'must be an object with location' };
  if (location.coords === undefined || location.coords === null) return { kind: 'other' };
  const coords = objectOf(location.coords) ?? {};
  const { timestamp } = location;
  return {
    kind: 'position',
    id: message.device_id,
    position: {
      latitude: coords.latitude,
      longitude: coords.longitude,
      bearing: bearingOf(coords.heading),
      speed: speedOf(coords.speed, METRES_PER_SECOND),
      accuracy: accuracyOf(coords.accuracy),
      altitude: altitudeOf(coords.altitude),
      battery: percentOfShare(objectOf(location.battery)?.level),
      recordedAt: typeof timestamp === 'string' ? (parseIsoTime(timestamp) ?? timestamp) : timestamp,
    },
  };
}
