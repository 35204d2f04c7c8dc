import type { Projection, Spot } from '../city/geometry.ts';
import type { Random } from '../random.ts';
import type { Vehicle } from './vehicle.ts';

/** Metres that a receiver is off, and seconds after which it has forgotten which way it was off. */
const NOISE = { meters: 1.5, memory: 40 };
/** m/s and degrees; a standing car's are left alone. */
const SPEED_NOISE = 0.08;
const BEARING_NOISE = 0.7;

export type Fix = {
  latitude: number;
  longitude: number;
  bearing: number;
  speed: number;
  accuracy: number;
};

const rounded = (value: number, digits: number) => Number(value.toFixed(digits));

/** A satellite receiver: its error wanders slowly, so that two fixes in a row are off by much the same. */
export class Receiver {
  readonly #projection: Projection;
  readonly #random: Random;
  #error: Spot;

  constructor(projection: Projection, random: Random) {
    this.#projection = projection;
    this.#random = random;
    this.#error = { x: random.normal() * NOISE.meters, y: random.normal() * NOISE.meters };
  }

  /** @param seconds simulated time since the last fix */
  fix({ spot, speed, bearing }: Vehicle, seconds: number): Fix {
    const random = this.#random;
    // A process of Ornstein and Uhlenbeck: the error decays while new ones come, and keeps its spread
    const kept = Math.exp(-seconds / NOISE.memory);
    const fresh = NOISE.meters * Math.sqrt(1 - kept * kept);
    this.#error = {
      x: this.#error.x * kept + random.normal() * fresh,
      y: this.#error.y * kept + random.normal() * fresh,
    };
    const off = Math.hypot(this.#error.x, this.#error.y);
    const isMoving = speed > 0;
    return {
      ...this.#projection.place({ x: spot.x + this.#error.x, y: spot.y + this.#error.y }),
      bearing: rounded((bearing + (isMoving ? random.normal() * BEARING_NOISE : 0) + 360) % 360, 1) % 360,
      speed: isMoving ? rounded(Math.max(0, speed + random.normal() * SPEED_NOISE), 2) : 0,
      accuracy: rounded(3 + off + random.between(0, 1), 1),
    };
  }
}
