import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { DeviceMessage } from '../../shared/devices/message.ts';
import { readOsmAnd } from '../../shared/devices/osmand.ts';
import { readOwnTracks } from '../../shared/devices/owntracks.ts';
import { readTraccarJson } from '../../shared/devices/traccar-json.ts';
import { parsePosition } from '../../shared/schemas/position.ts';

const anything = fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true });
const number = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(-1, 0, 360, 1e308, -0));
const value = fc.oneof(number, anything);
const text = fc.oneof(
  number.map(String),
  fc.string(),
  fc.constantFrom('', ' ', '-1', 'NaN', '1e400', '2023-11-14T22:13:20Z'),
);

const ownTracks = fc.oneof(
  anything,
  fc.record(
    {
      _type: fc.constant('location'),
      lat: value,
      lon: value,
      tst: value,
      vel: value,
      cog: value,
      acc: value,
      alt: value,
      batt: value,
      topic: fc.oneof(fc.string(), anything),
    },
    { requiredKeys: ['_type'] },
  ),
);

const osmAnd = fc.oneof(
  fc.dictionary(fc.string(), fc.oneof(text, anything)),
  fc.record(
    {
      id: text,
      deviceid: text,
      lat: text,
      lon: text,
      location: text,
      timestamp: text,
      speed: text,
      bearing: text,
      heading: text,
      altitude: text,
      accuracy: text,
      batt: text,
      valid: text,
      cell: text,
    },
    { requiredKeys: [] },
  ),
);

const traccar = fc.oneof(
  anything,
  fc.record({
    device_id: value,
    location: fc.oneof(
      anything,
      fc.record(
        {
          timestamp: fc.oneof(text, value),
          coords: fc.oneof(
            anything,
            fc.record(
              {
                latitude: value,
                longitude: value,
                accuracy: value,
                speed: value,
                heading: value,
                altitude: value,
              },
              { requiredKeys: [] },
            ),
          ),
          battery: fc.oneof(anything, fc.record({ level: value })),
        },
        { requiredKeys: [] },
      ),
    ),
  }),
);

/** Whatever comes is one of the three, and what is kept keeps the rules of SPEC section 6. */
function isSound(message: DeviceMessage): void {
  expect(['position', 'other', 'malformed']).toContain(message.kind);
  if (message.kind !== 'position') return;
  const parsed = parsePosition(message.position);
  if ('errors' in parsed) {
    expect(parsed.errors.length).toBeGreaterThan(0);
    return;
  }
  const { latitude, longitude, bearing, speed, accuracy, battery, recordedAt } = parsed.position;
  expect(Math.abs(latitude)).toBeLessThanOrEqual(90);
  expect(Math.abs(longitude)).toBeLessThanOrEqual(180);
  for (const reading of [bearing, speed, accuracy, battery]) expect(reading ?? 0).toBeGreaterThanOrEqual(0);
  expect(bearing ?? 0).toBeLessThan(360);
  expect(battery ?? 0).toBeLessThanOrEqual(100);
  if (recordedAt !== null) expect(Number.isNaN(new Date(recordedAt).getTime())).toBe(false);
}

describe('a converter takes anything, and never throws', () => {
  test('OwnTracks', () => {
    fc.assert(fc.property(ownTracks, (message) => isSound(readOwnTracks(message))));
  });
  test('OsmAnd', () => {
    fc.assert(fc.property(osmAnd, (fields) => isSound(readOsmAnd(fields))));
  });
  test('Traccar Client', () => {
    fc.assert(fc.property(traccar, (message) => isSound(readTraccarJson(message))));
  });
});

describe('a good position stays where it is', () => {
  const degrees = fc.record({
    lat: fc.double({ min: -90, max: 90, noNaN: true }),
    lon: fc.double({ min: -180, max: 180, noNaN: true }),
  });
  const readings = fc.record({
    speed: fc.double({ min: 0, max: 500, noNaN: true }),
    seconds: fc.integer({ min: 0, max: 2_147_483_646 }),
  });

  test('whatever the protocol', () => {
    fc.assert(
      fc.property(degrees, readings, ({ lat, lon }, { speed, seconds }) => {
        const messages = [
          readOwnTracks({ _type: 'location', lat, lon, vel: speed * 3.6, tst: seconds }),
          readOsmAnd({
            lat: String(lat),
            lon: String(lon),
            speed: String((speed * 3600) / 1852),
            timestamp: String(seconds),
          }),
          readTraccarJson({
            location: {
              timestamp: new Date(seconds * 1000).toISOString(),
              coords: { latitude: lat, longitude: lon, speed },
            },
          }),
        ];
        for (const message of messages) {
          if (message.kind !== 'position') throw new Error(message.kind);
          const parsed = parsePosition(message.position);
          if ('errors' in parsed) throw new Error(JSON.stringify(parsed.errors));
          expect(parsed.position).toMatchObject({ recordedAt: seconds * 1000 });
          expect(parsed.position.latitude).toBeCloseTo(lat, 12);
          expect(parsed.position.longitude).toBeCloseTo(lon, 12);
          expect(Math.abs((parsed.position.speed ?? Number.NaN) - speed)).toBeLessThanOrEqual(0.001);
        }
      }),
    );
  });
});
