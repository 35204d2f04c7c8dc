/** Metres east and north of the city's centre. */
export type Spot = { x: number; y: number };

export type Place = { latitude: number; longitude: number };

/** Mean radius of the earth in metres: IUGG's R1 (H. Moritz, Geodetic Reference System 1980). */
const EARTH_RADIUS_M = 6_371_008.8;

const radians = (degrees: number) => (degrees * Math.PI) / 180;
const degrees = (angle: number) => (angle * 180) / Math.PI;

/** Six decimals are a tenth of a metre. */
const rounded = (value: number) => Math.round(value * 1e6) / 1e6;

/** The plane that touches the earth at the centre: within a city a few in ten thousand off. */
export class Projection {
  readonly #centre: Place;
  readonly #metersEast: number;
  readonly #metersNorth: number;

  constructor(centre: Place) {
    this.#centre = centre;
    this.#metersNorth = radians(1) * EARTH_RADIUS_M;
    this.#metersEast = this.#metersNorth * Math.cos(radians(centre.latitude));
  }

  place({ x, y }: Spot): Place {
    return {
      latitude: rounded(this.#centre.latitude + y / this.#metersNorth),
      longitude: rounded(this.#centre.longitude + x / this.#metersEast),
    };
  }

  spot({ latitude, longitude }: Place): Spot {
    return {
      x: (longitude - this.#centre.longitude) * this.#metersEast,
      y: (latitude - this.#centre.latitude) * this.#metersNorth,
    };
  }
}

export const distance = (a: Spot, b: Spot): number => Math.hypot(b.x - a.x, b.y - a.y);

export const between = (a: Spot, b: Spot, share: number): Spot => ({
  x: a.x + (b.x - a.x) * share,
  y: a.y + (b.y - a.y) * share,
});

/** Degrees clockwise from north, 0 <= b < 360. */
export const direction = (from: Spot, to: Spot): number =>
  (degrees(Math.atan2(to.x - from.x, to.y - from.y)) + 360) % 360;

/** Radians between the directions of two stretches, 0 to pi. */
export function turn(a: Spot, b: Spot, c: Spot): number {
  const first = Math.atan2(b.y - a.y, b.x - a.x);
  const second = Math.atan2(c.y - b.y, c.x - b.x);
  const angle = Math.abs(second - first) % (2 * Math.PI);
  return angle > Math.PI ? 2 * Math.PI - angle : angle;
}
