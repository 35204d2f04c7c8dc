/** A stream of chance that its seed and path decide: the same ones give the same stream, whatever others draw. */
export type Random = {
  /** From 0 up to, but not including, 1. */
  next(): number;
  between(low: number, high: number): number;
  /** A whole number from 0 up to, but not including, `count`. */
  index(count: number): number;
  chance(probability: number): boolean;
  /** Mean 0, standard deviation 1. */
  normal(): number;
};

/** 32-bit FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo, RFC 9923). */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++)
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0;
  return value;
}

/** `createRandom(1, 'driver', 7, 'route')`: that of driver 7's routes. */
export function createRandom(seed: number, ...path: readonly (string | number)[]): Random {
  const name = [seed, ...path].join('/');
  // sfc32, "small fast counting" (Chris Doty-Humphrey, PractRand), with a few rounds to mix the seed
  let a = hash(name);
  let b = hash(`${name}#`);
  let c = hash(`#${name}`);
  let counter = 1;
  const draw = (): number => {
    const result = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + result) | 0;
    return result >>> 0;
  };
  for (let round = 0; round < 12; round++) draw();
  const next = () => draw() / 2 ** 32;
  return {
    next,
    between: (low, high) => low + (high - low) * next(),
    index: (count) => Math.floor(next() * count),
    chance: (probability) => next() < probability,
    // Box and Muller (1958); 1 - next() is never 0
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  };
}
