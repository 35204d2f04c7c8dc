import type { Spot } from '../city/geometry.ts';
import type { Town } from '../city/town.ts';
import { type Fix, Receiver } from '../movement/receiver.ts';
import { Vehicle } from '../movement/vehicle.ts';
import { createRandom, type Random } from '../random.ts';

/** A status that a driver moves its trip to. */
export type DriverMove = 'EN_ROUTE' | 'ARRIVED' | 'IN_PROGRESS' | 'COMPLETED';

/** Addresses of the trip that a driver has been given. */
export type Job = { pickup: number; dropoff: number };

/** Seconds that a car stands at the pickup and at the dropoff. */
const DWELL = { low: 5, high: 15 };

/** A driver without a trip parks a while, or cruises to a place not far away. */
const PARK = { chance: 0.5, low: 20, high: 60 };
const CRUISE_METERS = { low: 150, high: 500 };

/**
 * A driver's life: `free -> EN_ROUTE -> ARRIVED -> IN_PROGRESS -> COMPLETED -> free`.
 *
 * The driver *asks* for the next status when it is time for it (`asks`), and acts on it only once the platform has
 * said that it holds (`confirm`): then it drives to the pickup, waits there, drives to the dropoff, lets the rider
 * out. A driver that is free and moving when a trip comes pulls over first. Time is simulated time.
 */
export class Driver {
  readonly #town: Town;
  readonly #random: Random;
  readonly #vehicle: Vehicle;
  readonly #receiver: Receiver;
  #job: Job | undefined;
  #status: DriverMove | undefined;
  #asks: DriverMove | undefined;
  /** Seconds that the car still stands where it is. */
  #rest: number;

  constructor(index: number, town: Town, seed: number) {
    this.#town = town;
    this.#random = createRandom(seed, 'driver', index);
    this.#vehicle = new Vehicle(
      town.map,
      town.anyAddress(this.#random),
      createRandom(seed, 'driver', index, 'way'),
    );
    this.#receiver = new Receiver(town.projection, createRandom(seed, 'driver', index, 'receiver'));
    this.#rest = this.#random.between(0, PARK.high);
  }

  get spot(): Spot {
    return this.#vehicle.spot;
  }

  /** The status that the driver wants its trip to have; undefined: what it has is right. */
  get asks(): DriverMove | undefined {
    return this.#asks;
  }

  take(job: Job): void {
    this.#job = job;
    this.#status = undefined;
    this.#asks = 'EN_ROUTE';
    this.#rest = 0;
    this.#vehicle.pullOver();
  }

  confirm(status: DriverMove): void {
    if (this.#asks !== status) return;
    this.#status = status;
    this.#asks = undefined;
    this.#rest = status === 'ARRIVED' ? this.#random.between(DWELL.low, DWELL.high) : 0;
    if (status === 'COMPLETED') this.leave();
  }

  /** Whatever trip there was is over. */
  leave(): void {
    this.#job = undefined;
    this.#status = undefined;
    this.#asks = undefined;
    this.#rest = this.#random.between(0, PARK.low);
  }

  advance(seconds: number): void {
    this.#vehicle.advance(seconds);
    const { address } = this.#vehicle;
    if (address === undefined || this.#asks !== undefined) return;
    this.#rest -= seconds;
    if (this.#job === undefined) this.#idle(address);
    else this.#serve(this.#job, address);
  }

  fix(seconds: number): Fix {
    return this.#receiver.fix(this.#vehicle, seconds);
  }

  #idle(address: number): void {
    if (this.#rest > 0) return;
    const random = this.#random;
    if (random.chance(PARK.chance)) this.#rest = random.between(PARK.low, PARK.high);
    else {
      const meters = random.between(CRUISE_METERS.low, CRUISE_METERS.high);
      this.#vehicle.driveTo(this.#town.addressAwayFrom(address, meters, random));
    }
  }

  #serve({ pickup, dropoff }: Job, address: number): void {
    switch (this.#status) {
      case 'EN_ROUTE':
        if (address === pickup) this.#asks = 'ARRIVED';
        else this.#vehicle.driveTo(pickup);
        return;
      case 'ARRIVED':
        if (this.#rest <= 0) this.#asks = 'IN_PROGRESS';
        return;
      case 'IN_PROGRESS':
        if (address !== dropoff) {
          this.#rest = this.#random.between(DWELL.low, DWELL.high);
          this.#vehicle.driveTo(dropoff);
        } else if (this.#rest <= 0) this.#asks = 'COMPLETED';
        return;
      case 'COMPLETED':
      case undefined:
        return;
    }
  }
}
