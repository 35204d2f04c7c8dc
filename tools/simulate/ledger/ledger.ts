import { parseLocation, parseStatus, type StatusMessage } from '../messages.ts';
import { DriverLedger } from './driver-ledger.ts';
import { Problems } from './problems.ts';
import type { SentPosition } from './sent-position.ts';
import { Statistics } from './statistics.ts';
import { type StatusSource, TripLedger } from './trip-ledger.ts';

type Fields = Parameters<typeof parseStatus>[0];

/** The books of a run: everything that was sent and everything that came, and where the two don't agree. */
export class Ledger {
  readonly statistics = new Statistics();
  readonly problems = new Problems();
  readonly drivers = new Map<string, DriverLedger>();
  readonly trips = new Map<string, TripLedger>();
  readonly #tripsOfRider = new Map<string, Set<TripLedger>>();

  driver(id: string): DriverLedger {
    const known = this.drivers.get(id);
    if (known !== undefined) return known;
    const ledger = new DriverLedger(id);
    this.drivers.set(id, ledger);
    return ledger;
  }

  /** A trip's first status may reach its rider before the answer to the request for it. */
  trip(tripId: string, riderId: string): TripLedger {
    const known = this.trips.get(tripId);
    if (known !== undefined) return known;
    const trip = new TripLedger(tripId, riderId, this.problems);
    this.trips.set(tripId, trip);
    const ofRider = this.#tripsOfRider.get(riderId) ?? new Set();
    this.#tripsOfRider.set(riderId, ofRider.add(trip));
    return trip;
  }

  recorded(driver: DriverLedger, position: SentPosition, trip: TripLedger | undefined): void {
    driver.sent.push(position.recordedAt);
    trip?.recorded(position);
  }

  published(position: SentPosition, now: number): void {
    position.sentAt ??= now;
    this.statistics.published++;
  }

  acknowledged(
    driver: DriverLedger,
    position: SentPosition,
    trip: TripLedger | undefined,
    now: number,
  ): void {
    position.acknowledged = true;
    driver.acknowledged.add(position.recordedAt);
    trip?.acknowledged(position);
    this.statistics.acknowledged++;
    this.statistics.toAcknowledgement.record(now - (position.sentAt ?? now));
  }

  /** A rider received a status. @returns it, when it is one of its trips' */
  status(riderId: string, source: StatusSource, fields: Fields): StatusMessage | undefined {
    const message = parseStatus(fields);
    if (message === undefined) {
      this.problems.add('messageMalformed', `a status for ${riderId}: ${JSON.stringify(fields)}`);
      return undefined;
    }
    const trip = this.trip(message.tripId, riderId);
    if (trip.riderId !== riderId) {
      this.problems.add('leak', `a status of trip ${trip.id} was sent to ${riderId}`);
      return undefined;
    }
    trip.statusSeen(message, source);
    return message;
  }

  /** A rider received a position on the location topic of a trip. */
  location(riderId: string, tripId: string, fields: Fields, retained: boolean, now: number): void {
    const message = parseLocation(fields);
    if (message === undefined)
      return this.problems.add('messageMalformed', `a position for ${riderId}: ${JSON.stringify(fields)}`);
    const trip = this.trips.get(tripId);
    if (trip === undefined || trip.riderId !== riderId)
      return this.problems.add('leak', `a position of trip ${tripId} was sent to ${riderId}`);
    const position = trip.location(message, retained);
    if (retained) return;
    this.statistics.delivered++;
    if (position?.sentAt !== undefined) this.statistics.toRider.record(now - position.sentAt);
  }

  riderLost(riderId: string): void {
    for (const trip of this.#tripsOfRider.get(riderId) ?? []) trip.unfollowed();
  }

  /** Everything that has to come has come, and every trip is over. */
  get isComplete(): boolean {
    return [...this.trips.values()].every(({ hasEnded }) => hasEnded) && this.#missing().length === 0;
  }

  /** What can be said without asking the platform, once everything has had time to arrive. */
  close(): void {
    for (const { id, refused, unacknowledged } of this.drivers.values()) {
      if (refused > 0) this.problems.add('positionRefused', `${id}: ${refused}`, refused);
      if (unacknowledged > 0)
        this.problems.add('positionUnacknowledged', `${id}: ${unacknowledged}`, unacknowledged);
    }
    for (const text of this.#missing()) this.problems.add('liveMissing', text);
    for (const { id, driverId, driverWasTold } of this.trips.values())
      if (driverId !== undefined && !driverWasTold)
        this.problems.add('assignmentLost', `trip ${id}, driver ${driverId}`);
  }

  /** Positions that never came to their rider, in words. */
  #missing(): string[] {
    const byDriver = new Map<string, string[]>();
    for (const trip of this.trips.values()) {
      const { id, driverId = '' } = trip;
      const texts = trip
        .missing()
        .map((time) => `trip ${id}, driver ${driverId}: ${new Date(time).toISOString()}`);
      if (texts.length > 0) byDriver.set(driverId, [...(byDriver.get(driverId) ?? []), ...texts]);
    }
    // A refused position was acknowledged and can't come: which one it was, nobody says
    return [...byDriver].flatMap(([driverId, texts]) =>
      texts.slice(this.drivers.get(driverId)?.refused ?? 0),
    );
  }
}
