import { type Random, seededRandom } from '../chaos/random.ts';

/** Decisions that are the same for the same seed. */
export type Choice = {
  random: Random;
  /** A whole number from 0 to `end` - 1. */
  below(end: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
};

export function choiceOf(seed: number): Choice {
  const random = seededRandom(seed);
  const below = (end: number) => Math.floor(random() * end);
  return {
    random,
    below,
    chance: (probability) => random() < probability,
    pick(from) {
      if (from.length === 0) throw new Error('nothing to pick from');
      return from[below(from.length)] as (typeof from)[number];
    },
  };
}
