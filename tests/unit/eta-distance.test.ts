import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { distanceMeters, type Point } from '../../shared/geo.ts';

const at = (latitude: number, longitude: number): Point => ({ latitude, longitude });

/** 2 pi x 6371008.8 m / 360 */
const DEGREE = 111_195.0802;
const HALF_WAY_ROUND = 180 * DEGREE;

const point = fc.record({
  latitude: fc.double({ min: -90, max: 90, noNaN: true }),
  longitude: fc.double({ min: -180, max: 180, noNaN: true }),
});

describe('metres on the sphere', () => {
  test.each([
    ['a degree of latitude', at(37, 23), at(38, 23), DEGREE],
    ['a degree of longitude at the equator', at(0, 10), at(0, 11), DEGREE],
    ['a degree of longitude at 60 degrees is half of it', at(60, 10), at(60, 11), 55_595.4],
    ['across the antimeridian', at(0, 179.5), at(0, -179.5), DEGREE],
    ['over the pole', at(89.5, 0), at(89.5, 180), DEGREE],
    ['pole to pole', at(90, 0), at(-90, 0), HALF_WAY_ROUND],
    ['antipodes', at(12.3, 45.6), at(-12.3, -134.4), HALF_WAY_ROUND],
    ['a tenth of a metre', at(37.98, 23.73), at(37.9800009, 23.73), 0.100_08],
    // WGS 84 geodesic 343,923 m (GeographicLib)
    ['London to Paris, 0.3 % off the ellipsoid', at(51.5074, -0.1278), at(48.8566, 2.3522), 343_556],
  ])('%s', (_name, a, b, meters) => {
    expect(distanceMeters(a, b) / meters).toBeCloseTo(1, 4);
  });

  test('nothing to where one is', () => {
    expect(distanceMeters(at(37.98, 23.73), at(37.98, 23.73))).toBe(0);
  });

  test('is the same both ways, finite, and at most half way round', () => {
    fc.assert(
      fc.property(point, point, (a, b) => {
        const there = distanceMeters(a, b);
        expect(there).toBeGreaterThanOrEqual(0);
        expect(there).toBeLessThanOrEqual(HALF_WAY_ROUND + 1);
        expect(Math.abs(there - distanceMeters(b, a))).toBeLessThan(0.001);
      }),
    );
  });
});
