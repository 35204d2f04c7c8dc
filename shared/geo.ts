/** Degrees, WGS 84. */
export type Point = { latitude: number; longitude: number };

/** Mean radius of the earth in metres: IUGG's R1 (H. Moritz, Geodetic Reference System 1980). */
const EARTH_RADIUS_M = 6_371_008.8;

const radians = (degrees: number) => (degrees * Math.PI) / 180;

/**
 * Metres along the great circle, by the haversine formula (R. W. Sinnott, "Virtues of the Haversine", Sky and
 * Telescope 68, 1984). On a sphere: against the WGS 84 ellipsoid it is up to 0.6 % off.
 */
export function distanceMeters(a: Point, b: Point): number {
  const halfLatitude = Math.sin(radians(b.latitude - a.latitude) / 2);
  const halfLongitude = Math.sin(radians(b.longitude - a.longitude) / 2);
  const h =
    halfLatitude * halfLatitude +
    Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude)) * halfLongitude * halfLongitude;
  // Between antipodes rounding may bring it above 1.
  return 2 * EARTH_RADIUS_M * Math.asin(Math.min(1, Math.sqrt(h)));
}
