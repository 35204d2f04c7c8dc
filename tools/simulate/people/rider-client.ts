import { topicFor } from '../../../shared/topics.ts';
import { Connection } from '../../shared/connection.ts';
import type { Agenda } from '../agenda.ts';
import type { Town } from '../city/town.ts';
import { element } from '../element.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { TripLedger } from '../ledger/trip-ledger.ts';
import { fieldsOf, hasEnded, parseError } from '../messages.ts';
import { type Rest, RestError } from '../rest.ts';
import type { Wish } from './demand.ts';

export type RiderSettings = {
  id: string;
  token: string;
  wsUrl: string;
  wishes: Iterator<Wish, never>;
};

export type RiderWorld = {
  town: Town;
  ledger: Ledger;
  rest: Rest;
  agenda: Agenda;
  /** Simulated seconds per real one. */
  timeScale: number;
  note: (text: string) => void;
  /** A trip waits for a driver. */
  booked: (trip: TripLedger, wish: Wish) => void;
  failed: (error: Error) => void;
};

/** After its end a trip is followed a while longer: nothing more may come. */
const FOLLOW_ON_MS = 3_000;

/** A platform that refuses a booking is not asked again at once. */
const AFTER_FAILURE_MS = 2_000;

/**
 * A rider's app: an MQTT session over WebSocket, trip after trip booked over REST with the rider's own token, and
 * followed until it is over.
 */
export class RiderClient {
  readonly id: string;
  readonly #token: string;
  readonly #wishes: Iterator<Wish, never>;
  readonly #world: RiderWorld;
  readonly #connection: Connection;
  /** Booked, and waiting for the subscription: then a driver may be found. */
  readonly #booking = new Map<string, () => void>();
  #current: string | undefined;
  #stopped = false;

  constructor({ id, token, wsUrl, wishes }: RiderSettings, world: RiderWorld) {
    this.id = id;
    this.#token = token;
    this.#wishes = wishes;
    this.#world = world;
    const filters = [topicFor('riderTrips', id), topicFor('riderErrors', id)];
    const { statistics } = world.ledger;
    this.#connection = new Connection(
      { url: wsUrl, token, program: 'rider', filters },
      {
        up: () => {
          statistics.ridersConnected++;
        },
        reconnected: () => {
          statistics.reconnects++;
        },
        lost: () => this.#lost(),
        subscribed: (filter) => this.#subscribed(filter),
        refused: (filter) =>
          world.failed(new Error(`the broker refuses ${id} the subscription to ${filter}`)),
        message: (topic, payload, retained) => this.#received(topic, payload, retained),
        failed: world.failed,
        note: world.note,
      },
    );
  }

  open(): Promise<void> {
    return this.#connection.open();
  }

  /** Asks for the first trip in its time. */
  start(now: number): void {
    this.#wishLater(now);
  }

  /** Asks for no more trips. */
  stop(): void {
    this.#stopped = true;
  }

  close(): Promise<void> {
    return this.#connection.close(false);
  }

  #wishLater(now: number): void {
    const wish = this.#wishes.next().value;
    const due = now + (wish.afterSeconds * 1000) / this.#world.timeScale;
    this.#world.agenda.at(due, () => {
      this.#book(wish).catch((error: unknown) => this.#bookingFailed(error));
    });
  }

  async #book(wish: Wish): Promise<void> {
    const { town, rest, ledger, booked } = this.#world;
    if (this.#stopped) return;
    const at = (address: number) => town.projection.place(element(town.map.nodes, address));
    const answer = await rest.request(this.#token, 'POST', '/v1/trips', {
      riderId: this.id,
      pickup: at(wish.pickup),
      dropoff: at(wish.dropoff),
    });
    const { id, code } = answer.body;
    if (answer.status !== 201 || typeof id !== 'string')
      throw new RestError('POST', '/v1/trips', `${answer.status} ${code ?? ''}`);
    const trip = ledger.trip(id, this.id);
    const filter = this.#filterOf(id);
    this.#current = id;
    this.#booking.set(filter, () => booked(trip, wish));
    this.#connection.subscribe(filter);
  }

  #bookingFailed(error: unknown): void {
    if (!(error instanceof RestError)) return this.#world.failed(error as Error);
    this.#world.ledger.problems.add('requestFailed', `${this.id}: ${error.message}`);
    if (!this.#stopped) this.#wishLater(performance.now() + AFTER_FAILURE_MS);
  }

  #filterOf(tripId: string): string {
    return `${topicFor('tripLocation', tripId).replace(/[^/]+$/, '')}#`;
  }

  #subscribed(filter: string): void {
    const [, tripId] = filter.split('/');
    if (!filter.endsWith('#') || tripId === undefined) return;
    this.#world.ledger.trip(tripId, this.id).followed(performance.now());
    this.#booking.get(filter)?.();
    this.#booking.delete(filter);
  }

  #lost(): void {
    this.#world.ledger.statistics.ridersConnected--;
    this.#world.ledger.riderLost(this.id);
  }

  #received(topic: string, payload: Buffer, retained: boolean): void {
    const { ledger } = this.#world;
    const fields = fieldsOf(payload);
    const [space, id = '', kind] = topic.split('/');
    if (kind === 'errors') {
      ledger.statistics.error(parseError(fields).code);
      return;
    }
    if (kind === 'location') return ledger.location(this.id, id, fields, retained, performance.now());
    const message = ledger.status(this.id, space === 'trips' ? 'trips' : 'riders', fields);
    if (message !== undefined && message.tripId === this.#current && hasEnded(message.status))
      this.#ended(message.tripId);
  }

  #ended(tripId: string): void {
    const now = performance.now();
    this.#current = undefined;
    this.#world.agenda.at(now + FOLLOW_ON_MS, () => this.#connection.unsubscribe(this.#filterOf(tripId)));
    if (!this.#stopped) this.#wishLater(now);
  }
}
