import type { ObservedPosition } from '../../shared/eta/index.ts';
import { distanceMeters, type Point } from '../../shared/geo.ts';
import type { TrackPoint } from '../replay/track-point.ts';

/** A recorded track taken for a trip to where it ends. */
export type RecordedTrip = {
  track: string;
  target: Point;
  /** What the estimator sees, with what was then really left of the trip. */
  moments: Moment[];
};

export type Moment = { position: ObservedPosition; remainingSeconds: number; remainingMeters: number };

/** Who stays so close to the end of the track, to the end, has arrived: the noise of a receiver at rest is less. */
const ARRIVED_METERS = 15;

/**
 * The tracks of a recording as trips, in the order of their first position. A trip ends when its vehicle comes to
 * where the track ends and stays, not when the recording ends: many end parked, or at a light.
 *
 * @param points in the order of time; tracks may be mixed
 */
export function recordedTrips(points: readonly TrackPoint[], everySeconds: number): RecordedTrip[] {
  const tracks = new Map<string, TrackPoint[]>();
  for (const point of points) {
    const track = tracks.get(point.track);
    if (track === undefined) tracks.set(point.track, [point]);
    else track.push(point);
  }
  return [...tracks].map(([track, own]) => trip(track, own, everySeconds));
}

function trip(track: string, points: readonly TrackPoint[], everySeconds: number): RecordedTrip {
  const target = points.at(-1) as TrackPoint;
  const arrival = arrivalIn(points, target);
  const remaining = metersToGo(points, arrival);
  const moments: Moment[] = [];
  let nextAt = Number.NEGATIVE_INFINITY;
  for (const [index, point] of points.slice(0, arrival).entries()) {
    if (point.timeMs < nextAt) continue;
    nextAt = point.timeMs + everySeconds * 1000;
    const { latitude, longitude, timeMs, speed } = point;
    moments.push({
      position: { latitude, longitude, recordedAt: timeMs, speed: speed ?? null },
      remainingSeconds: ((points[arrival] as TrackPoint).timeMs - timeMs) / 1000,
      remainingMeters: remaining[index] as number,
    });
  }
  return { track, target, moments };
}

/** Index of the first point from which on the vehicle is at the target. */
function arrivalIn(points: readonly TrackPoint[], target: Point): number {
  return points.findLastIndex((point) => distanceMeters(point, target) > ARRIVED_METERS) + 1;
}

/** From each point to the target, along the track; what a parked vehicle's receiver adds is not part of it. */
function metersToGo(points: readonly TrackPoint[], arrival: number): number[] {
  const target = points.at(-1) as TrackPoint;
  const meters = new Array<number>(arrival + 1).fill(0);
  meters[arrival] = distanceMeters(points[arrival] as TrackPoint, target);
  for (let index = arrival - 1; index >= 0; index--)
    meters[index] =
      (meters[index + 1] as number) +
      distanceMeters(points[index] as TrackPoint, points[index + 1] as TrackPoint);
  return meters;
}
