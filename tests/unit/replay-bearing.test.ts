import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { completeBearings, distanceMeters, initialBearing } from '../../tools/replay/bearing.ts';
import type { TrackPoint } from '../../tools/replay/track-point.ts';

const place = (latitude: number, longitude: number) => ({ latitude, longitude });

const point = (track: string, latitude: number, longitude: number, bearing?: number): TrackPoint => ({
  track,
  timeMs: 0,
  latitude,
  longitude,
  bearing,
  speed: undefined,
  altitude: undefined,
  accuracy: undefined,
  battery: undefined,
});

function completed(...points: TrackPoint[]): (number | undefined)[] {
  completeBearings(points);
  return points.map(({ bearing }) => bearing);
}

/** About a metre of latitude. */
const METER = 1 / 111_195;

const places = fc
  .tuple(fc.double({ min: -89, max: 89, noNaN: true }), fc.double({ min: -180, max: 180, noNaN: true }))
  .map(([latitude, longitude]) => place(latitude, longitude));

describe('the initial bearing of a great circle', () => {
  test.each([
    ['north', place(1, 0), 0],
    ['east', place(0, 1), 90],
    ['south', place(-1, 0), 180],
    ['west', place(0, -1), 270],
  ])('%s', (_name, to, expected) => {
    expect(initialBearing(place(0, 0), to)).toBe(expected);
  });

  test('Baghdad to Osaka leaves at 60 degrees', () => {
    expect(initialBearing(place(35, 45), place(35, 135))).toBeCloseTo(60.2, 1);
  });

  test('the shorter way across the antimeridian', () => {
    expect(initialBearing(place(0, 179.9), place(0, -179.9))).toBe(90);
  });

  test('is always from 0 to below 360', () => {
    fc.assert(
      fc.property(places, places, (from, to) => {
        const bearing = initialBearing(from, to);
        expect(bearing).toBeGreaterThanOrEqual(0);
        expect(bearing).toBeLessThan(360);
      }),
    );
  });
});

describe('the distance', () => {
  test('a degree of latitude is 111.2 km', () => {
    expect(distanceMeters(place(0, 0), place(1, 0))).toBeCloseTo(111_195, -1);
  });

  test('is the same both ways, and never beyond half the earth', () => {
    fc.assert(
      fc.property(places, places, (from, to) => {
        const distance = distanceMeters(from, to);
        expect(distance).toBeCloseTo(distanceMeters(to, from), 3);
        expect(distance).toBeLessThanOrEqual(20_015_200);
      }),
    );
  });
});

describe('bearings that the file does not have', () => {
  test('come from the point before, when it is more than 2 m away', () => {
    expect(completed(point('a', 0, 0), point('a', 3 * METER, 0), point('a', 3 * METER, 3 * METER))).toEqual([
      undefined,
      0,
      90,
    ]);
  });

  test('are carried on while nothing moves more than 2 m', () => {
    expect(
      completed(
        point('a', 0, 0),
        point('a', 0, 3 * METER),
        point('a', 0, 2 * METER),
        point('a', 0, 3 * METER),
      ),
    ).toEqual([undefined, 90, 90, 90]);
  });

  test('follow their own track only', () => {
    expect(completed(point('a', 0, 0), point('b', 10, 10), point('a', 0, 1), point('b', 9, 10))).toEqual([
      undefined,
      undefined,
      90,
      180,
    ]);
  });

  test('those of the file stay, and are carried on too', () => {
    expect(completed(point('a', 0, 0, 45), point('a', 0, 0), point('a', 1, 0, 200))).toEqual([45, 45, 200]);
  });
});
