/** Numbers from 0 to 1 that are the same for the same seed (mulberry32, public domain). */
export type Random = () => number;

/** CHAOS_SEED repeats the random times of a run, as far as the machine does. */
export const chaosSeed = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000);

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const between = (random: Random, from: number, to: number) => from + random() * (to - from);
