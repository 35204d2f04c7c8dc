import type { TrackPoint } from './track-point.ts';

type Place = { latitude: number; longitude: number };

/** Mean radius of the earth in metres (IUGG R1, Moritz, Geodetic Reference System 1980). */
const EARTH_RADIUS_M = 6_371_008.8;

/** Below this a receiver's noise turns the direction around. */
const MIN_DISTANCE_M = 2;

const radians = (degrees: number) => (degrees * Math.PI) / 180;

/** Metres on the sphere, by the haversine formula (R. W. Sinnott, "Virtues of the Haversine", 1984). */
export function distanceMeters(from: Place, to: Place): number {
  const halfLatitude = Math.sin(radians(to.latitude - from.latitude) / 2);
  const halfLongitude = Math.sin(radians(to.longitude - from.longitude) / 2);
  const h =
    halfLatitude ** 2 +
    Math.cos(radians(from.latitude)) * Math.cos(radians(to.latitude)) * halfLongitude ** 2;
  return 2 * EARTH_RADIUS_M * Math.asin(Math.min(1, Math.sqrt(h)));
}

/**
 * Direction in which the great circle leaves `from` for `to`: degrees clockwise from north, 0 <= b < 360, to a
 * tenth. Spherical trigonometry (Ed Williams, Aviation Formulary, "Course between points").
 */
export function initialBearing(from: Place, to: Place): number {
  const longitude = radians(to.longitude - from.longitude);
  const [start, end] = [radians(from.latitude), radians(to.latitude)];
  const east = Math.sin(longitude) * Math.cos(end);
  const north = Math.cos(start) * Math.sin(end) - Math.sin(start) * Math.cos(end) * Math.cos(longitude);
  const degrees = (Math.atan2(east, north) * 180) / Math.PI;
  return (Math.round(((degrees + 360) % 360) * 10) / 10) % 360;
}

/**
 * Gives a bearing to the points that have none: from the point of the same track before it when that is more than
 * 2 m away, else the last one is carried on (a parked car keeps its direction). Before a track has moved there is
 * none. Points stand in the order of time; tracks may be mixed.
 */
export function completeBearings(points: readonly TrackPoint[]): void {
  const previousOf = new Map<string, TrackPoint>();
  for (const point of points) {
    const previous = previousOf.get(point.track);
    if (point.bearing === undefined && previous !== undefined)
      point.bearing =
        distanceMeters(previous, point) > MIN_DISTANCE_M ? initialBearing(previous, point) : previous.bearing;
    previousOf.set(point.track, point);
  }
}
