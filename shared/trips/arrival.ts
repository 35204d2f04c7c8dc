import { distanceMeters, type Point } from '../geo.ts';
import type { ActiveTrip } from './active-trips.ts';

type Sample = Point & { recordedAt: number; speed: number | null };

/** A car that is slower has come to wait, not to pass: a brisk walk is 2 m/s. */
const WAITING_SPEED = 2;
/** Whoever is so long (ms) within the radius has arrived, however much it moves about looking for a place. */
const MIN_DWELL_MS = 15_000;
/** A car that crosses the whole circle faster (m/s) on average passes by, in slow traffic too: a dwell is longer than that. */
const PASSING_SPEED = 5;

/** Whether a driver has come to the pickup: it dwells within the radius, and does not only pass by. */
export class Arrivals {
  private readonly stays = new Map<string, { entered: Sample; samples: number }>();
  private readonly radiusMeters: number;
  private readonly dwellMs: number;

  constructor(radiusMeters: number) {
    this.radiusMeters = radiusMeters;
    this.dwellMs = Math.max(MIN_DWELL_MS, ((2 * radiusMeters) / PASSING_SPEED) * 1000);
  }

  /** Takes the next position of the trip's driver. */
  dwells(trip: ActiveTrip, position: Sample): boolean {
    if (trip.status !== 'EN_ROUTE' || distanceMeters(position, trip.pickup) > this.radiusMeters) {
      this.stays.delete(trip.id);
      return false;
    }
    const stay = this.stays.get(trip.id) ?? { entered: position, samples: 0 };
    stay.samples++;
    this.stays.set(trip.id, stay);
    if (stay.samples < 2) return false;
    const stayedMs = position.recordedAt - stay.entered.recordedAt;
    if (stayedMs >= this.dwellMs) return true;
    const speed = position.speed ?? distanceMeters(stay.entered, position) / Math.max(stayedMs / 1000, 0.001);
    return speed < WAITING_SPEED;
  }

  forget(tripId: string): void {
    this.stays.delete(tripId);
  }
}
