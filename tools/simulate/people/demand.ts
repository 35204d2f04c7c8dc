import type { Town } from '../city/town.ts';
import { createRandom } from '../random.ts';

/** Seconds are simulated ones. */
export type Wish = {
  /** From the start, or from the end of the trip before, until the rider asks for a car. */
  afterSeconds: number;
  /** Addresses. */
  pickup: number;
  dropoff: number;
};

/** How much longer the way along the streets is than the straight line. */
const DETOUR = 1.3;
/** The shortest and the longest trip, as parts of the mean. */
const SHORTEST = 0.4;
const LONGEST = 2.5;
/** Seconds. The first requests come one after the other, later ones soon after a trip. */
const FIRST_WITHIN = 20;
const REST = { low: 2, high: 15 };

/**
 * What one rider wants, trip after trip, each from where the last one ended. It depends on the seed alone, not on how
 * fast the platform is. Lengths are exponential, cut off at both ends: many short trips, few long ones.
 */
export function* wishesOf(
  rider: number,
  town: Town,
  seed: number,
  meanMeters: number,
): Generator<Wish, never> {
  const random = createRandom(seed, 'rider', rider);
  let pickup = town.anyAddress(random);
  for (let first = true; ; first = false) {
    const afterSeconds = first ? random.between(0, FIRST_WITHIN) : random.between(REST.low, REST.high);
    const share = Math.min(LONGEST, SHORTEST - (1 - SHORTEST) * Math.log(1 - random.next()));
    const dropoff = town.addressAwayFrom(pickup, (share * meanMeters) / DETOUR, random);
    yield { afterSeconds, pickup, dropoff };
    pickup = dropoff;
  }
}
