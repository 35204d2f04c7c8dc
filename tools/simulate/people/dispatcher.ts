import { distance } from '../city/geometry.ts';
import type { Town } from '../city/town.ts';
import { element } from '../element.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { TripLedger } from '../ledger/trip-ledger.ts';
import { type Rest, RestError } from '../rest.ts';
import type { Wish } from './demand.ts';
import type { DriverClient } from './driver-client.ts';

type OpenTrip = { trip: TripLedger; wish: Wish };

export type DispatcherSettings = {
  /** Of a SERVICE. */
  token: string;
  town: Town;
  ledger: Ledger;
  rest: Rest;
  failed: (error: Error) => void;
};

/** The booking office: gives each trip, the oldest first, to the free driver that is closest to its pickup. */
export class Dispatcher {
  readonly #settings: DispatcherSettings;
  readonly #open: OpenTrip[] = [];
  readonly #free = new Set<DriverClient>();
  readonly #assigning = new Set<Promise<void>>();
  #stopped = false;

  constructor(settings: DispatcherSettings) {
    this.#settings = settings;
  }

  booked(trip: TripLedger, wish: Wish): void {
    this.#open.push({ trip, wish });
    this.#match();
  }

  freed(driver: DriverClient): void {
    this.#free.add(driver);
    this.#match();
  }

  /** Gives out no more trips. Resolves when what was being given out is. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#assigning);
  }

  /** Ends every trip that is still on. */
  async cancelUnfinished(): Promise<void> {
    const { ledger, rest, token } = this.#settings;
    const unfinished = [...ledger.trips.values()].filter((trip) => !trip.hasEnded);
    await Promise.all(
      unfinished.map(async ({ id }) => {
        const path = `/v1/trips/${id}/status`;
        const body = { status: 'CANCELLED', reason: 'the simulation is over' };
        await this.#expectOk('PATCH', path, rest.request(token, 'PATCH', path, body));
      }),
    );
  }

  #match(): void {
    while (!this.#stopped && this.#free.size > 0) {
      const next = this.#open.shift();
      if (next === undefined) return;
      const driver = this.#closest(next.wish.pickup);
      this.#free.delete(driver);
      const assigning = this.#assign(next.trip, driver)
        .catch((error: unknown) => this.#settings.failed(error as Error))
        .finally(() => this.#assigning.delete(assigning));
      this.#assigning.add(assigning);
    }
  }

  #closest(address: number): DriverClient {
    const pickup = element(this.#settings.town.map.nodes, address);
    const away = (driver: DriverClient) => distance(driver.spot, pickup);
    return [...this.#free].reduce((best, driver) => (away(driver) < away(best) ? driver : best));
  }

  async #assign(trip: TripLedger, driver: DriverClient): Promise<void> {
    const { rest, token } = this.#settings;
    const path = `/v1/trips/${trip.id}`;
    const isAssigned = await this.#expectOk(
      'PATCH',
      path,
      rest.request(token, 'PATCH', path, { driverId: driver.id }),
    );
    if (isAssigned) trip.assigned(driver.id);
    else this.freed(driver);
  }

  /** @returns whether it went well; if not, that is in the books */
  async #expectOk(method: string, path: string, request: ReturnType<Rest['request']>): Promise<boolean> {
    try {
      const { status, body } = await request;
      if (status === 200) return true;
      throw new RestError(method, path, `${status} ${body.code ?? ''}: ${body.detail ?? ''}`);
    } catch (error) {
      if (!(error instanceof RestError)) throw error;
      this.#settings.ledger.problems.add('requestFailed', error.message);
      return false;
    }
  }
}
