import { distanceMeters } from '../geo.ts';
import type { ObservedPosition } from './index.ts';

/*
 * The figures are chosen with tools/eta-accuracy on recorded tracks of a congested city centre, on one half of the
 * tracks; the other half has its best at the same ones. The times may be half or double without moving the median
 * error by more than 2 s. The prior and the floor matter more: those recordings are of slow vehicles, and a prior of
 * 4 m/s costs them 4 s, one of 5 m/s 10 s.
 */

/** Of a driver of whom nothing is known. Slow, as the way to a pickup in a city is. */
export const PRIOR_METERS_PER_SECOND = 3;

/** The prior counts as so much driving: after as long on the road, what was seen weighs the same. */
const PRIOR_SECONDS = 60;

/** What was so long ago weighs 1/e of what is now: a mean over several lights, that follows a change of road. */
const MEMORY_SECONDS = 480;

/** Below it, the estimate would grow without end for a driver at a red light or in a jam, who will drive on. */
const FLOOR_METERS_PER_SECOND = 2;

/** The longest that lights stay red. Who stands longer waits for a rider or parks, which says nothing about the way. */
const LONGEST_STOP_SECONDS = 120;

/** As slow as this is standing: receivers report some dm/s at rest. */
const STANDING_METERS_PER_SECOND = 0.5;

/** A reported speed is one of a moment; over longer intervals the way covered says more. */
const REPORTED_COUNTS_SECONDS = 10;

/** Over a shorter time, the noise of a receiver at rest would be taken for speed. */
const DISPLACEMENT_NEEDS_SECONDS = 4;

/** After so long without a position, what was known is of another road. */
const GAP_SECONDS = 600;

/** 252 km/h. What is faster is a jump of the receiver, or a wrong unit. */
const MAX_METERS_PER_SECOND = 70;

/**
 * A driver's own mean speed, stops included: metres and seconds driven, both fading exponentially with time (not with
 * the number of positions, so that it is the same however often a device reports), begun with a prior that fades
 * likewise.
 */
export class SmoothedSpeed {
  private meters = 0;
  private seconds = 0;
  private stoodSeconds = 0;
  /** The position that the next interval begins with. */
  private readonly place = { latitude: 0, longitude: 0 };
  private recordedAt = Number.NaN;
  private speed: number | null = null;

  constructor(first: ObservedPosition) {
    this.begin(first);
  }

  get metersPerSecond(): number {
    return Math.max(FLOOR_METERS_PER_SECOND, this.meters / this.seconds);
  }

  /** A position that is not newer than the last one is one seen already, or a late one: it changes nothing. */
  observe(position: ObservedPosition): void {
    const seconds = (position.recordedAt - this.recordedAt) / 1000;
    if (!(seconds > 0)) return;
    if (seconds > GAP_SECONDS) {
      this.begin(position);
      return;
    }
    const speed = this.speedSince(position, seconds);
    if (speed === undefined) return;
    if (speed <= MAX_METERS_PER_SECOND) this.learn(speed, seconds);
    this.remember(position);
  }

  /** undefined: to be told only with a later position. */
  private speedSince(position: ObservedPosition, seconds: number): number | undefined {
    if (position.speed !== null && seconds <= REPORTED_COUNTS_SECONDS)
      return this.speed === null ? position.speed : (this.speed + position.speed) / 2;
    if (seconds < DISPLACEMENT_NEEDS_SECONDS) return undefined;
    return distanceMeters(this.place, position) / seconds;
  }

  private learn(speed: number, seconds: number): void {
    this.stoodSeconds = speed < STANDING_METERS_PER_SECOND ? this.stoodSeconds + seconds : 0;
    if (this.stoodSeconds > LONGEST_STOP_SECONDS) return;
    const kept = Math.exp(-seconds / MEMORY_SECONDS);
    // The integral of the fading weight over the interval: its pieces add up to the same as the whole.
    const weight = MEMORY_SECONDS * (1 - kept);
    this.meters = this.meters * kept + speed * weight;
    this.seconds = this.seconds * kept + weight;
  }

  private begin(position: ObservedPosition): void {
    this.meters = PRIOR_METERS_PER_SECOND * PRIOR_SECONDS;
    this.seconds = PRIOR_SECONDS;
    this.stoodSeconds = 0;
    this.remember(position);
  }

  private remember(position: ObservedPosition): void {
    this.place.latitude = position.latitude;
    this.place.longitude = position.longitude;
    this.recordedAt = position.recordedAt;
    this.speed = position.speed;
  }
}
