import { hasEnded, type LocationMessage, type StatusMessage, type TripStatus } from '../messages.ts';
import type { Problems } from './problems.ts';
import type { SentPosition } from './sent-position.ts';

/** A topic on which a rider hears of its trip's status. */
export type StatusSource = 'riders' | 'trips';

/** A position that the driver recorded on this trip, and what the rider may expect of it. */
type Expected = {
  position: SentPosition;
  delivered: boolean;
  /** The trip was surely under way, and the rider surely subscribed, from before it was recorded until now. */
  required: boolean;
};

/**
 * What the rider of one trip must see of it, checked message by message against what was sent.
 *
 * Status: version 1, 2, 3 and so on, with nothing left out; repeats are fine, since statuses come at least once. On each
 * topic too, from the first message on a connection on.
 *
 * Positions: on one connection each newer than the last, none before the driver asked for EN_ROUTE, none after the
 * rider has seen the end. Every position is *required* that was recorded while the platform had said that the trip is under way
 * and the rider was subscribed without a break, and that was acknowledged before the driver asked for the end.
 */
export class TripLedger {
  readonly id: string;
  readonly riderId: string;
  driverId: string | undefined;
  /** What the rider knows. */
  version = 0;
  status: TripStatus | undefined;
  driverWasTold = false;
  readonly #problems: Problems;
  readonly #statuses = new Map<number, TripStatus>();
  readonly #lastOnTopic = new Map<StatusSource, number>();
  readonly #expected = new Map<number, Expected>();
  #followingSince: number | undefined;
  #lastLive = Number.NEGATIVE_INFINITY;
  #setOut = false;
  #underWay = false;

  constructor(id: string, riderId: string, problems: Problems) {
    this.id = id;
    this.riderId = riderId;
    this.#problems = problems;
  }

  get hasEnded(): boolean {
    return hasEnded(this.status);
  }

  /** The rider's subscription to the trip was acknowledged. */
  followed(now: number): void {
    this.#followingSince = now;
  }

  /** The rider's connection is lost: whatever is on its way may be so too. */
  unfollowed(): void {
    this.#followingSince = undefined;
    this.#lastOnTopic.clear();
    this.#lastLive = Number.NEGATIVE_INFINITY;
    for (const expected of this.#expected.values()) expected.required = false;
  }

  assigned(driverId: string): void {
    this.driverId = driverId;
  }

  /** The driver is about to ask for EN_ROUTE. */
  setOut(driverId: string): void {
    this.driverId = driverId;
    this.#setOut = true;
  }

  /** The platform has told the driver that the trip is under way. */
  underWay(): void {
    this.#underWay = true;
  }

  /** The end is about to be asked for: what is not acknowledged by now may come too late for the rider. */
  ending(): void {
    this.#underWay = false;
    for (const expected of this.#expected.values())
      if (!expected.position.acknowledged) expected.required = false;
  }

  recorded(position: SentPosition): void {
    const follows = this.#followingSince !== undefined && this.#followingSince <= position.createdAt;
    const required = this.#underWay && follows;
    this.#expected.set(position.recordedAt, { position, delivered: false, required });
  }

  acknowledged({ recordedAt }: SentPosition): void {
    if (this.#expected.get(recordedAt)?.delivered) this.#expected.delete(recordedAt);
  }

  /** @returns the position, if it is one of this trip that the rider had not seen */
  location(message: LocationMessage, retained: boolean): SentPosition | undefined {
    const { recordedAt, driverId } = message;
    const time = new Date(recordedAt).toISOString();
    if (message.tripId !== this.id || driverId !== this.driverId)
      this.#problems.add('leak', `trip ${this.id} shows a position of ${driverId} on trip ${message.tripId}`);
    else if (!this.#setOut) this.#problems.add('leak', `trip ${this.id}: ${time} before EN_ROUTE`);
    else if (this.hasEnded) this.#problems.add('leak', `trip ${this.id}: ${time} after ${this.status}`);
    if (recordedAt < this.#lastLive) this.#problems.add('liveDisordered', `trip ${this.id}: ${time}`);
    // What follows a subscription at once may be what came last
    else if (recordedAt === this.#lastLive && !retained)
      this.#problems.add('liveDoubled', `trip ${this.id}: ${time}`);
    this.#lastLive = Math.max(this.#lastLive, recordedAt);
    const expected = this.#expected.get(recordedAt);
    if (expected === undefined || expected.delivered) return undefined;
    expected.delivered = true;
    if (expected.position.acknowledged) this.#expected.delete(recordedAt);
    return expected.position;
  }

  statusSeen({ version, status, previous }: StatusMessage, source: StatusSource): void {
    const onTopic = this.#lastOnTopic.get(source);
    if (onTopic !== undefined && version > onTopic + 1)
      this.#problems.add('statusMissing', `trip ${this.id}: ${version} after ${onTopic} on ${source}/…`);
    this.#lastOnTopic.set(source, Math.max(version, onTopic ?? 0));
    const known = this.#statuses.get(version);
    if (known !== undefined && known !== status)
      this.#problems.add('statusWrong', `trip ${this.id}: version ${version} is ${known} and ${status}`);
    this.#statuses.set(version, status);
    if (version <= this.version) return;
    if (version > this.version + 1)
      this.#problems.add('statusMissing', `trip ${this.id}: ${version} after ${this.version}`);
    else if (previous !== (this.status ?? null))
      this.#problems.add(
        'statusWrong',
        `trip ${this.id}: version ${version} follows ${previous}, not ${this.status}`,
      );
    this.version = version;
    this.status = status;
  }

  /** Required positions that never came. */
  missing(): number[] {
    const rows = [...this.#expected.values()];
    const isMissing = ({ position, delivered, required }: Expected) =>
      required && position.acknowledged && !delivered;
    return rows.filter(isMissing).map(({ position }) => position.recordedAt);
  }
}
