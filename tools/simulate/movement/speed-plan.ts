import { distance, turn } from '../city/geometry.ts';
import { element } from '../element.ts';
import type { RoutePoint } from './route-point.ts';

/** m/s². What passengers don't notice; the limits of the model are 2 and 3. */
export const GENTLE = { acceleration: 1.6, braking: 1.8, sideways: 2 };

/** m/s. As slow as the sharpest corner is driven. */
const CRAWL = 2.5;

/** The speed at which the curve through a point pulls no harder than that: v² = a r. */
function cornerSpeed(before: RoutePoint, at: RoutePoint, after: RoutePoint): number {
  const angle = turn(before, at, after);
  if (angle < 1e-6) return Number.POSITIVE_INFINITY;
  const radius = (distance(before, at) + distance(at, after)) / 2 / angle;
  return Math.max(CRAWL, Math.sqrt(GENTLE.sideways * radius));
}

/** The speed from which gentle braking over a stretch leaves `end`. */
export const brakingFrom = (end: number, stretch: number): number =>
  Math.sqrt(end * end + 2 * GENTLE.braking * Math.max(0, stretch));

/**
 * Sets the cap of every point: what the streets on both sides, the curve and a red light allow, and then, from the end
 * backwards, what can still be braked to the next one's.
 */
export function planSpeeds(points: readonly RoutePoint[]): void {
  for (let index = points.length - 1; index >= 0; index--) {
    const point = element(points, index);
    const [before, after] = [points[index - 1], points[index + 1]];
    if (after === undefined || point.wait > 0) {
      point.cap = 0;
      continue;
    }
    const corner = before === undefined ? Number.POSITIVE_INFINITY : cornerSpeed(before, point, after);
    const streets = Math.min(point.cruise, before?.cruise ?? point.cruise);
    point.cap = Math.min(streets, corner, brakingFrom(after.cap, after.along - point.along));
  }
}
