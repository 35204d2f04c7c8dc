import { between, direction, type Spot } from '../city/geometry.ts';
import type { StreetMap } from '../city/street-map.ts';
import { element } from '../element.ts';
import type { Random } from '../random.ts';
import { planRoute } from './route.ts';
import type { RoutePoint } from './route-point.ts';
import { brakingFrom, GENTLE, planSpeeds } from './speed-plan.ts';

/** Seconds of simulated time between two looks at the road. */
const STEP_S = 0.25;
/** m/s². Harder than planned where a step came a little too late, and never harder than this. */
const HARDEST_BRAKING = 3;
/** A car that could stop within a step, so close to its stop, stands. */
const STANDING_METERS = 0.5;
const ROUNDS = 4;
/** Metres to look ahead for a place to pull over, on top of what braking takes. */
const REACTION = 5;

/** A car on the streets: it stands at an address, or follows a route to one. Time is simulated time. */
export class Vehicle {
  readonly #map: StreetMap;
  readonly #random: Random;
  #route: readonly RoutePoint[];
  /** The route point that the car passed last. */
  #passed = 0;
  #along = 0;
  #speed = 0;
  #waiting = 0;
  #bearing: number;
  #unspent = 0;

  constructor(map: StreetMap, address: number, random: Random) {
    this.#map = map;
    this.#random = random;
    this.#route = planRoute(map, address, address, random);
    this.#bearing = random.between(0, 360);
  }

  /** m/s */
  get speed(): number {
    return this.#speed;
  }

  /** Degrees clockwise from north; a standing car keeps its own. */
  get bearing(): number {
    return this.#bearing;
  }

  get spot(): Spot {
    const [from, to] = [element(this.#route, this.#passed), this.#route[this.#passed + 1]];
    if (to === undefined) return from;
    return between(from, to, (this.#along - from.along) / (to.along - from.along));
  }

  /** The address where the car stands at the end of its route; undefined: it is on its way. */
  get address(): number | undefined {
    return this.#passed === this.#route.length - 1 ? element(this.#route, this.#passed).address : undefined;
  }

  /** Sets out for an address. Only a car that stands at one can. */
  driveTo(address: number): void {
    const from = this.address;
    if (from === undefined) throw new Error('the car is on its way: pull over first');
    this.#route = planRoute(this.#map, from, address, this.#random);
    this.#passed = 0;
    this.#along = 0;
  }

  /** Ends the route at the next address where the car can stop without haste. */
  pullOver(): void {
    const need = this.#along + (this.#speed * this.#speed) / (2 * GENTLE.braking) + REACTION;
    const end = this.#route.findIndex(({ along, address }) => along >= need && address !== undefined);
    if (end < 0 || this.address !== undefined) return;
    this.#route = this.#route.slice(0, end + 1);
    planSpeeds(this.#route);
  }

  advance(seconds: number): void {
    this.#unspent += seconds;
    for (; this.#unspent >= STEP_S; this.#unspent -= STEP_S) this.#step();
  }

  #step(): void {
    if (this.#waiting > 0) {
      this.#waiting -= STEP_S;
      return;
    }
    const next = this.#route[this.#passed + 1];
    if (next === undefined) return;
    const before = this.#speed;
    const fastest = before + GENTLE.acceleration * STEP_S;
    // What is allowed depends on where the step ends, which depends on the speed: a few rounds come close enough
    let after = before;
    for (let round = 0; round < ROUNDS; round++)
      after = Math.min(fastest, this.#allowedAt(this.#along + ((before + after) / 2) * STEP_S));
    this.#speed = Math.max(after, before - HARDEST_BRAKING * STEP_S, 0);
    this.#moveTo(this.#along + ((before + this.#speed) / 2) * STEP_S, before);
  }

  /** The highest speed at a place not far ahead. */
  #allowedAt(along: number): number {
    let place = this.#passed;
    for (let next = this.#route[place + 1]; next !== undefined; next = this.#route[place + 1]) {
      if (along < next.along || next.cap === 0)
        return Math.min(element(this.#route, place).cruise, brakingFrom(next.cap, next.along - along));
      place++;
    }
    return 0;
  }

  #moveTo(along: number, speedBefore: number): void {
    this.#along = along;
    for (let next = this.#route[this.#passed + 1]; next !== undefined; next = this.#route[this.#passed + 1]) {
      const isStop = next.cap === 0;
      if (isStop && next.along - this.#along < STANDING_METERS && speedBefore <= HARDEST_BRAKING * STEP_S)
        return this.#stopAt(next);
      // However late it braked, a car does not pass a stop
      if (isStop) this.#along = Math.min(this.#along, next.along);
      if (isStop || this.#along < next.along) {
        this.#bearing = direction(element(this.#route, this.#passed), next);
        return;
      }
      this.#passed++;
    }
  }

  #stopAt({ along, wait }: RoutePoint): void {
    this.#passed++;
    this.#along = along;
    this.#speed = 0;
    this.#waiting = wait;
  }
}
