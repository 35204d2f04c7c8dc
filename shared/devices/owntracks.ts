import { Type } from 'typebox';
import { type DeviceMessage, objectOf } from './message.ts';
import { accuracyOf, altitudeOf, bearingOf, KILOMETRES_PER_HOUR, percentOf, speedOf } from './readings.ts';

/*
 * Messages of the OwnTracks app, the same over MQTT and HTTP: https://owntracks.org/booklet/tech/json/
 */

/** For the documents. What else is in a message is ignored. */
export const ownTracksSchema = Type.Object(
  {
    _type: Type.String({ description: 'location; every other type is acknowledged, and left alone' }),
    lat: Type.Optional(Type.Number({ minimum: -90, maximum: 90, description: 'degrees' })),
    lon: Type.Optional(Type.Number({ minimum: -180, maximum: 180, description: 'degrees' })),
    tst: Type.Optional(Type.Number({ description: 'time of the fix, epoch seconds' })),
    vel: Type.Optional(Type.Number({ description: 'km/h' })),
    cog: Type.Optional(Type.Number({ description: 'degrees clockwise from north' })),
    acc: Type.Optional(Type.Number({ description: 'metres' })),
    alt: Type.Optional(Type.Number({ description: 'metres' })),
    batt: Type.Optional(Type.Number({ description: 'percent' })),
    topic: Type.Optional(Type.String({ description: 'over HTTP: owntracks/{user}/{device}' })),
  },
  { additionalProperties: true, description: 'a message of the OwnTracks app' },
);

/** One message, parsed. `acc`, `alt`, `cog` and `vel` are left out by the app when they are zero: that is as good as unknown. */
export function readOwnTracks(value: unknown): DeviceMessage {
  const message = objectOf(value);
  if (typeof message?._type !== 'string')
    return { kind: 'malformed', problem: 'must be an OwnTracks message: an object with _type' };
  if (message._type !== 'location') return { kind: 'other' };
  const { lat, lon, tst, vel, cog, acc, alt, batt, topic } = message;
  return {
    kind: 'position',
    id: typeof topic === 'string' ? userOf(topic) : undefined,
    position: {
      latitude: lat,
      longitude: lon,
      bearing: bearingOf(cog),
      speed: speedOf(vel, KILOMETRES_PER_HOUR),
      accuracy: accuracyOf(acc),
      altitude: altitudeOf(alt),
      battery: percentOf(batt),
      recordedAt: typeof tst === 'number' ? Math.round(tst * 1000) : tst,
    },
  };
}

/** The app's base topic is `owntracks/{user}/{device}`, unless it was configured otherwise. */
const userOf = (topic: string) => /^\/?owntracks\/([^/]+)\/[^/]+/.exec(topic)?.[1];
