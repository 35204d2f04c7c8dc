import type { TokenSigner } from '../../../shared/auth/sign.ts';
import { Agenda } from '../agenda.ts';
import { Town } from '../city/town.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { SimulateOptions } from '../options.ts';
import type { Rest } from '../rest.ts';
import { wishesOf } from './demand.ts';
import { Dispatcher } from './dispatcher.ts';
import { Driver } from './driver.ts';
import { DriverClient } from './driver-client.ts';
import { endLeftovers } from './leftovers.ts';
import { RiderClient } from './rider-client.ts';

export type Addresses = { mqtt: string; ws: string; rest: string };

export type CrowdSettings = {
  options: SimulateOptions;
  addresses: Addresses;
  signer: TokenSigner;
  ledger: Ledger;
  rest: Rest;
  note: (text: string) => void;
  /** Nothing more can be sent by somebody. */
  failed: (error: Error) => void;
};

/** Tokens outlive the run by an hour: for a broker that is away, and for clocks that differ. */
const SPARE_TOKEN_SECONDS = 3_600;

/** So many connections are opened at a time: a listening socket queues a few hundred. */
const OPENING_AT_ONCE = 100;

async function openAll(clients: readonly { open(): Promise<void> }[]): Promise<void> {
  const toOpen = clients.values();
  const openOneByOne = async () => {
    for (const client of toOpen) await client.open();
  };
  await Promise.all(Array.from({ length: OPENING_AT_ONCE }, openOneByOne));
}

/** Everybody in the simulation, with the town they are in. */
export class Crowd {
  readonly drivers: readonly DriverClient[];
  readonly riders: readonly RiderClient[];
  readonly dispatcher: Dispatcher;
  readonly serviceToken: string;
  readonly #agenda = new Agenda();
  readonly #rest: Rest;
  readonly #intervalMs: number;
  readonly #ids: ReadonlySet<unknown>;

  constructor({ options, addresses, signer, ledger, rest, note, failed }: CrowdSettings) {
    const { seed, timeScale, idPrefix, tripDistance, intervalMs } = options;
    const ttlSeconds = Math.ceil(options.durationMs / 1000) + SPARE_TOKEN_SECONDS;
    const town = new Town(options.city, seed, options.drivers);
    const world = { town, ledger, rest, agenda: this.#agenda, timeScale, note, failed };
    this.#rest = rest;
    this.#intervalMs = intervalMs;
    this.serviceToken = signer.sign({ sub: `${idPrefix}-dispatch`, role: 'SERVICE', ttlSeconds });
    const dispatcher = new Dispatcher({ token: this.serviceToken, town, ledger, rest, failed });
    this.dispatcher = dispatcher;
    this.drivers = Array.from({ length: options.drivers }, (_, index) => {
      const id = `${idPrefix}-driver-${index + 1}`;
      const token = signer.sign({ sub: id, role: 'DRIVER', ttlSeconds });
      const driver = new Driver(index, town, seed);
      return new DriverClient(
        { id, token, url: addresses.mqtt, intervalMs, driver },
        { ...world, freed: (freed) => dispatcher.freed(freed) },
      );
    });
    this.riders = Array.from({ length: options.riders }, (_, index) => {
      const id = `${idPrefix}-rider-${index + 1}`;
      const token = signer.sign({ sub: id, role: 'RIDER', ttlSeconds });
      const wishes = wishesOf(index, town, seed, tripDistance);
      return new RiderClient(
        { id, token, wsUrl: addresses.ws, wishes },
        { ...world, booked: (trip, wish) => dispatcher.booked(trip, wish) },
      );
    });
    this.#ids = new Set([...this.drivers, ...this.riders].map(({ id }) => id));
  }

  /**
   * Connects everybody, the riders once nothing of an earlier run can reach them any more: a driver can have one trip
   * only, and would be kept busy by one that a run which was killed has left behind.
   * @returns how many trips that were, which are cancelled now
   */
  async open(): Promise<number> {
    await openAll(this.drivers);
    const leftovers = await endLeftovers(this.#rest, this.serviceToken, this.#ids);
    await openAll(this.riders);
    return leftovers;
  }

  /** Sets everybody going, the drivers spread over the interval between two positions. */
  start(): void {
    const now = performance.now();
    for (const [index, driver] of this.drivers.entries()) {
      driver.start(now + (index / this.drivers.length) * this.#intervalMs);
      this.dispatcher.freed(driver);
    }
    for (const rider of this.riders) rider.start(now);
    this.#agenda.start();
  }

  recycleStalled(): void {
    const now = performance.now();
    for (const driver of this.drivers) driver.recycleIfStalled(now);
  }

  /** No more wishes and no more positions; what is under way goes on. */
  stop(): void {
    for (const rider of this.riders) rider.stop();
    for (const driver of this.drivers) driver.stop();
  }

  get unacknowledged(): number {
    return this.drivers.reduce((sum, driver) => sum + driver.unacknowledged, 0);
  }

  async close(): Promise<void> {
    this.#agenda.stop();
    await Promise.all([...this.drivers, ...this.riders].map((client) => client.close()));
  }
}
