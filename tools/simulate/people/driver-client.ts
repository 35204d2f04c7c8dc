import { topicFor } from '../../../shared/topics.ts';
import type { Sender } from '../../shared/sender.ts';
import type { Agenda } from '../agenda.ts';
import type { Place, Spot } from '../city/geometry.ts';
import { nearestAddress } from '../city/street-map.ts';
import type { Town } from '../city/town.ts';
import type { DriverLedger } from '../ledger/driver-ledger.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { TripLedger } from '../ledger/trip-ledger.ts';
import {
  type ErrorReport,
  fieldsOf,
  hasEnded,
  parseError,
  parsePlace,
  parseStatus,
  type StatusMessage,
} from '../messages.ts';
import { type Rest, RestError } from '../rest.ts';
import type { Driver, DriverMove } from './driver.ts';
import { type DriverMessage, driverSender } from './driver-sender.ts';

export type DriverSettings = { id: string; token: string; url: string; intervalMs: number; driver: Driver };

export type DriverWorld = {
  town: Town;
  ledger: Ledger;
  rest: Rest;
  agenda: Agenda;
  /** Simulated seconds per real one. */
  timeScale: number;
  note: (text: string) => void;
  /** The driver has no trip any more. */
  freed: (driver: DriverClient) => void;
  failed: (error: Error) => void;
};

/** The platform did not say so long that an asked-for status holds: it is asked again. */
const ASK_AGAIN_AFTER_MS = 10_000;

/** What it means when the platform refuses a transition for now. */
const passing = new Set(['OVERLOADED', 'RATE_LIMITED']);

/** A driver's app: publishes where it is, hears of trips, looks them up and moves them on. */
export class DriverClient {
  readonly id: string;
  readonly #token: string;
  readonly #intervalMs: number;
  readonly #driver: Driver;
  readonly #world: DriverWorld;
  readonly #books: DriverLedger;
  readonly #sender: Sender<DriverMessage>;
  readonly #seenTrips = new Set<string>();
  #trip: TripLedger | undefined;
  #asked: { status: DriverMove; at: number } | undefined;
  #advancedAt = 0;
  #lastRecordedAt = 0;
  #stopped = false;

  constructor({ id, token, url, intervalMs, driver }: DriverSettings, world: DriverWorld) {
    this.id = id;
    this.#token = token;
    this.#intervalMs = intervalMs;
    this.#driver = driver;
    this.#world = world;
    this.#books = world.ledger.driver(id);
    this.#sender = driverSender(
      { url, token, id },
      {
        ...world,
        reconnected: () => this.#catchUp().catch((error: unknown) => this.#requestFailed(error)),
        received: (topic, payload) => this.#received(topic, payload),
      },
    );
  }

  get spot(): Spot {
    return this.#driver.spot;
  }

  open(): Promise<void> {
    return this.#sender.open();
  }

  /** @param firstAt when the first position is due: drivers don't publish all at once */
  start(firstAt: number): void {
    this.#sayStatus('ONLINE');
    this.#advancedAt = firstAt;
    this.#tickAt(firstAt);
  }

  /** Publishes no more positions. */
  stop(): void {
    this.#stopped = true;
  }

  get unacknowledged(): number {
    return this.#sender.unacknowledged + this.#sender.waiting;
  }

  recycleIfStalled(now: number): void {
    this.#sender.recycleIfStalled(now);
  }

  /** Says goodbye. */
  signOff(): void {
    this.#sayStatus('OFFLINE');
  }

  close(): Promise<void> {
    return this.#sender.close();
  }

  #sayStatus(status: 'ONLINE' | 'OFFLINE'): void {
    this.#sender.offer({ topic: topicFor('driverStatus', this.id), payload: JSON.stringify({ status }) });
  }

  #tickAt(due: number): void {
    this.#world.agenda.at(due, (now) => {
      if (this.#stopped) return;
      this.#tick(now);
      // A process that was held up goes on from now instead of making up for it
      this.#tickAt(Math.max(due + this.#intervalMs, now));
    });
  }

  #tick(now: number): void {
    const seconds = ((now - this.#advancedAt) * this.#world.timeScale) / 1000;
    this.#advancedAt = now;
    this.#driver.advance(seconds);
    const recordedAt = Math.max(Date.now(), this.#lastRecordedAt + 1);
    this.#lastRecordedAt = recordedAt;
    const position = { recordedAt, createdAt: now, sentAt: undefined, acknowledged: false };
    this.#world.ledger.recorded(this.#books, position, this.#trip);
    this.#sender.offer({
      topic: topicFor('driverLocation', this.id),
      payload: JSON.stringify({
        ...this.#driver.fix(seconds),
        recordedAt: new Date(recordedAt).toISOString(),
      }),
      position,
      trip: this.#trip,
    });
    this.#askIfDue(now);
  }

  #askIfDue(now: number): void {
    const status = this.#driver.asks;
    const trip = this.#trip;
    if (status === undefined || trip === undefined) return;
    if (this.#asked?.status === status && now - this.#asked.at < ASK_AGAIN_AFTER_MS) return;
    if (this.#asked?.status === status)
      this.#checkTrip(trip.id).catch((error: unknown) => this.#requestFailed(error));
    if (status === 'EN_ROUTE') trip.setOut(this.id);
    if (status === 'COMPLETED') trip.ending();
    this.#asked = { status, at: now };
    this.#sender.offer({ topic: topicFor('tripTransition', trip.id), payload: JSON.stringify({ status }) });
  }

  #received(topic: string, payload: Buffer): void {
    const fields = fieldsOf(payload);
    if (topic.endsWith('/errors')) return this.#refused(parseError(fields));
    const message = parseStatus(fields);
    if (message === undefined)
      this.#world.ledger.problems.add('messageMalformed', `for ${this.id} on ${topic}: ${payload}`);
    else this.#heard(message);
  }

  #heard(message: StatusMessage): void {
    const { tripId, status, driverId } = message;
    if (driverId !== this.id) return;
    const known = this.#world.ledger.trips.get(tripId);
    if (known !== undefined) known.driverWasTold = true;
    if (tripId === this.#trip?.id) {
      if (status === 'PENDING') return;
      if (status === 'EN_ROUTE' && this.#driver.asks === status) this.#trip.underWay();
      if (status === 'CANCELLED') this.#driver.leave();
      else this.#driver.confirm(status);
      if (hasEnded(status)) this.#free(tripId);
    } else if (status === 'PENDING' && !this.#seenTrips.has(tripId) && !this.#stopped) {
      this.#seenTrips.add(tripId);
      this.#take(tripId).catch((error: unknown) => this.#requestFailed(error));
    }
  }

  /** The message names the trip; where it goes, REST knows. */
  async #take(tripId: string): Promise<void> {
    const { rest, ledger, town } = this.#world;
    const { status, body } = await rest.request(this.#token, 'GET', `/v1/trips/${tripId}`);
    const { riderId } = body;
    const [pickup, dropoff] = [parsePlace(body.pickup), parsePlace(body.dropoff)];
    if (status !== 200 || typeof riderId !== 'string' || pickup === undefined || dropoff === undefined)
      throw new RestError('GET', `/v1/trips/${tripId}`, `${status} for its driver ${this.id}`);
    const address = (place: Place) => nearestAddress(town.map, town.projection.spot(place));
    const trip = ledger.trip(tripId, riderId);
    this.#trip = trip;
    this.#asked = undefined;
    // What comes on a subscription at once tells the status after a connection was lost, too
    this.#sender.subscribe(topicFor('tripStatus', tripId));
    this.#driver.take({ pickup: address(pickup), dropoff: address(dropoff) });
  }

  #free(tripId: string): void {
    this.#sender.unsubscribe(topicFor('tripStatus', tripId));
    this.#trip = undefined;
    this.#asked = undefined;
    this.#world.freed(this);
  }

  #refused({ code, topic, message }: ErrorReport): void {
    const { ledger } = this.#world;
    ledger.statistics.error(code);
    if (topic === topicFor('driverLocation', this.id)) this.#books.refused++;
    const trip = this.#trip;
    if (trip === undefined || topic !== topicFor('tripTransition', trip.id)) return;
    if (passing.has(code)) this.#asked = undefined;
    else ledger.problems.add('transitionRefused', `${this.id}, trip ${trip.id}: ${code} ${message}`);
  }

  /** A trip may have come while the connection was away. */
  async #catchUp(): Promise<void> {
    if (this.#trip !== undefined || this.#stopped) return;
    const query = `driverId=${this.id}&status=PENDING&limit=1`;
    const { body } = await this.#world.rest.request(this.#token, 'GET', `/v1/trips?${query}`);
    const items: unknown = body.items;
    if (Array.isArray(items)) for (const item of items) this.#heardOfTrip(item);
  }

  async #checkTrip(tripId: string): Promise<void> {
    const { body } = await this.#world.rest.request(this.#token, 'GET', `/v1/trips/${tripId}`);
    this.#heardOfTrip(body);
  }

  #heardOfTrip(trip: Readonly<Record<string, unknown>>): void {
    const message = parseStatus({ ...trip, tripId: trip.id });
    if (message !== undefined) this.#heard(message);
  }

  #requestFailed(error: unknown): void {
    if (error instanceof RestError)
      this.#world.ledger.problems.add('requestFailed', `${this.id}: ${error.message}`);
    else this.#world.failed(error as Error);
  }
}
