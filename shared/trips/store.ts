import type { Identity } from '../auth/identity.ts';
import type { Queries, Runner, Transaction } from '../database/index.ts';
import { FleetcastError, type Refusal } from '../errors.ts';
import type { LoggedPosition } from '../position-log/index.ts';
import { KeyedQueue } from './keyed-queue.ts';
import { appendEvent } from './sql/append-event.ts';
import { lockCurrentPosition } from './sql/current-positions.ts';
import { findTrip, lockTrip } from './sql/find-trip.ts';
import { claimKey, type IdempotentRequest, rememberTrip } from './sql/idempotency-key.ts';
import { insertTrip, type NewTrip } from './sql/insert-trip.ts';
import { measureTrack } from './sql/measure-track.ts';
import { updateTripPlan } from './sql/update-trip-plan.ts';
import { updateTripStatus } from './sql/update-trip-status.ts';
import { decideTransition, partyOf, type TripStatus } from './status.ts';
import type { Place, Trip } from './trip.ts';

export type Actor = Pick<Identity, 'sub' | 'role' | 'trips'>;

export type TransitionRequest = {
  tripId: string;
  status: TripStatus;
  actor: Actor;
  reason?: string | undefined;
  /** Only if the trip still has this version. A repeat changes nothing, and so asks for none. */
  version?: number | undefined;
  /** When it happened by the device's clock, epoch ms. */
  reportedAt?: number | undefined;
};

export type PlanChange = { driverId?: string | null; pickup?: Place; dropoff?: Place };

/**
 * Hears of every change right after its commit, in the order of the versions of a trip. `place`: where the driver was when it set
 * out. What it returns is waited for before the change is said to be done.
 */
export type TripListener = (trip: Trip, place: LoggedPosition | undefined) => Promise<void> | void;

const notFound: Refusal = { code: 'TRIP_NOT_FOUND', message: 'there is no such trip' };

const fail = (refusal: Refusal) => new FleetcastError(refusal);

const UNIQUE_VIOLATION = '23505';

/**
 * Changes of trips. Each is one transaction that locks the trip, checks, changes it, appends its event and writes the
 * message that tells of it into the outbox: all of it happened, or nothing.
 */
export class TripStore {
  private readonly queries: Queries;
  private readonly listeners: TripListener[] = [];
  private readonly queue = new KeyedQueue();

  constructor(queries: Queries) {
    this.queries = queries;
  }

  onCommitted(listener: TripListener): void {
    this.listeners.push(listener);
  }

  /**
   * Books a trip. With `request`, a repeat of it gives the trip that the first one made, as it is now.
   * @throws FleetcastError IDEMPOTENCY_CONFLICT when the key was used for something else
   */
  async create(trip: NewTrip, actor: Actor, request?: IdempotentRequest): Promise<Trip> {
    const { booked, isNew } = await this.queries.tx(async (transaction) => {
      const first = request && (await claimKey(transaction, request));
      if (first !== undefined)
        return { booked: await bookedBefore(transaction, request, first), isNew: false };
      const inserted = await insertTrip(transaction, trip);
      await appendEvent(transaction, inserted, null, { actor, reason: null, reportedAt: null });
      if (request !== undefined) await rememberTrip(transaction, request, inserted.id);
      return { booked: inserted, isNew: true };
    });
    if (isNew) await this.tell(booked);
    return booked;
  }

  /**
   * Moves a trip on. A repeat of its status gives it back as it is.
   * @throws FleetcastError TRIP_NOT_FOUND (also when it is none of the actor's), FORBIDDEN, INVALID_TRANSITION, VERSION_CONFLICT
   */
  transition(request: TransitionRequest): Promise<Trip> {
    const { tripId, status, actor } = request;
    return this.queue.run(tripId, () =>
      this.change(tripId, async (transaction, trip) => {
        const party = partyOf(actor, trip);
        if (party === undefined) throw fail(notFound);
        const decision = decideTransition(trip.status, status, party, trip.driverId !== null);
        if (decision.kind === 'refused') throw fail({ code: decision.code, message: decision.message });
        // Before the version is looked at: whoever did not get the answer asks again with the version it knew
        if (decision.kind === 'repeat' || status === 'PENDING') return undefined;
        if (request.version !== undefined && request.version !== trip.version)
          throw fail({ code: 'VERSION_CONFLICT', message: `the trip has version ${trip.version}` });
        const moved = await updateTripStatus(transaction, tripId, status, request.reason ?? null);
        const measured = status === 'COMPLETED' ? await measureTrack(transaction, tripId) : moved;
        await appendEvent(transaction, measured, trip.status, {
          actor,
          reason: request.reason ?? null,
          reportedAt: request.reportedAt ?? null,
        });
        return measured;
      }),
    );
  }

  /**
   * Assigns a driver, or changes pickup or dropoff, while PENDING.
   * @throws FleetcastError TRIP_NOT_FOUND, INVALID_TRANSITION
   */
  plan(tripId: string, plan: PlanChange, actor: Actor): Promise<Trip> {
    return this.queue.run(tripId, () =>
      this.change(tripId, async (transaction, trip) => {
        if (trip.status !== 'PENDING')
          throw fail({
            code: 'INVALID_TRANSITION',
            message: `a trip can be changed while PENDING, this one is ${trip.status}`,
          });
        const changed = await updateTripPlan(transaction, tripId, {
          driverId: plan.driverId === undefined ? trip.driverId : plan.driverId,
          pickup: plan.pickup ?? trip.pickup,
          dropoff: plan.dropoff ?? trip.dropoff,
        });
        await appendEvent(transaction, changed, trip.status, { actor, reason: null, reportedAt: null });
        return changed;
      }),
    );
  }

  /** `work` returns the changed trip, or undefined when there is nothing to change. */
  private async change(
    tripId: string,
    work: (transaction: Transaction, trip: Trip) => Promise<Trip | undefined>,
  ): Promise<Trip> {
    const { before, after, place } = await this.queries
      .tx(async (transaction) => {
        const locked = await lockTrip(transaction, tripId);
        if (locked === undefined) throw fail(notFound);
        const changed = await work(transaction, locked);
        return { before: locked, after: changed, place: changed && (await placeOf(transaction, changed)) };
      })
      .catch((error: unknown) => {
        if ((error as { code?: unknown }).code === UNIQUE_VIOLATION)
          throw fail({ code: 'INVALID_TRANSITION', message: 'the driver is on another trip' });
        throw error;
      });
    if (after !== undefined) await this.tell(after, place);
    return after ?? before;
  }

  private async tell(trip: Trip, place?: LoggedPosition): Promise<void> {
    for (const listener of this.listeners) await listener(trip, place);
  }
}

/**
 * Read before anybody can ask for it: whoever learns that a trip is under way sees at once where its driver is. The last statement of
 * its transaction: holding this lock it waits for nobody.
 */
async function placeOf(
  transaction: Transaction,
  { status, driverId }: Trip,
): Promise<LoggedPosition | undefined> {
  return status === 'EN_ROUTE' && driverId !== null ? lockCurrentPosition(transaction, driverId) : undefined;
}

async function bookedBefore(
  runner: Runner,
  request: IdempotentRequest | undefined,
  first: { fingerprint: string; tripId: string },
): Promise<Trip> {
  const trip = first.fingerprint === request?.fingerprint ? await findTrip(runner, first.tripId) : undefined;
  if (trip !== undefined) return trip;
  throw fail({ code: 'IDEMPOTENCY_CONFLICT', message: 'this Idempotency-Key was used for another request' });
}
