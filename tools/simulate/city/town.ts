import { element } from '../element.ts';
import type { Random } from '../random.ts';
import { type CityName, cities } from './cities.ts';
import { distance, Projection } from './geometry.ts';
import { buildStreetMap, type StreetMap } from './street-map.ts';

/** Addresses for each driver: about eight drivers in a circle of 200 m, so that a free one is never far. */
const ADDRESSES_PER_DRIVER = 8;
const FEWEST_ADDRESSES = 150;

/** Out of so many the one is taken that is most nearly as far away as wanted. */
const CANDIDATES = 24;

/** A city's streets, and the part of it where this simulation takes place: the addresses around the centre. */
export class Town {
  readonly map: StreetMap;
  readonly projection: Projection;
  readonly #addresses: readonly number[];

  constructor(name: CityName, seed: number, drivers: number) {
    this.map = buildStreetMap(cities[name], seed);
    this.projection = new Projection(cities[name].centre);
    const count = Math.max(FEWEST_ADDRESSES, drivers * ADDRESSES_PER_DRIVER);
    this.#addresses = this.map.addresses.slice(0, count);
  }

  anyAddress(random: Random): number {
    return element(this.#addresses, random.index(this.#addresses.length));
  }

  /** Another address, in any direction, about so many metres away as the crow flies. */
  addressAwayFrom(address: number, meters: number, random: Random): number {
    const from = element(this.map.nodes, address);
    let best = address;
    let leastOff = Number.POSITIVE_INFINITY;
    for (let candidate = 0; candidate < CANDIDATES; candidate++) {
      const other = this.anyAddress(random);
      const off = Math.abs(distance(from, element(this.map.nodes, other)) - meters);
      if (other !== address && off < leastOff) [best, leastOff] = [other, off];
    }
    return best;
  }
}
