import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Database } from '../../shared/database/index.ts';
import { FleetcastError } from '../../shared/errors.ts';
import { listEvents } from '../../shared/trips/sql/list-events.ts';
import { type Actor, TripStore } from '../../shared/trips/store.ts';
import type { Trip } from '../../shared/trips/trip.ts';
import { migratedDatabase } from '../support/trip-database.ts';
import { dropoff, pickup, type TripStatus, tripStatuses } from '../support/trips.ts';

/** Two processes with one database. */
let database: Awaited<ReturnType<typeof migratedDatabase>>;
let connections: Database[];
let stores: TripStore[];

beforeAll(async () => {
  database = await migratedDatabase();
  connections = [database.open(), database.open()];
  stores = connections.map(({ queries }) => new TripStore(queries));
});
afterAll(() => database?.drop());

const dispatch: Actor = { sub: 'dispatch', role: 'SERVICE', trips: [] };

const store = (index: number): TripStore => {
  const found = stores[index % stores.length];
  if (found === undefined) throw new Error('no store');
  return found;
};

let drivers = 0;
const book = (driverId: string | null = `driver-${drivers++}`) =>
  store(0).create({ riderId: 'ann', driverId, pickup, dropoff, metadata: {} }, dispatch);

/** The trip as it was given back, or the code with which the change was refused. */
async function outcome(change: Promise<Trip>): Promise<Trip | string> {
  try {
    return await change;
  } catch (error) {
    if (error instanceof FleetcastError) return error.refusal.code;
    throw error;
  }
}

async function history(tripId: string) {
  const connection = connections[0];
  if (connection === undefined) throw new Error('no connection');
  const events = await listEvents(connection.queries, tripId);
  const outbox = await connection.queries.any<{ version: number; message: { status: TripStatus } }>(
    'select version, message from trip_outbox where trip_id = $(tripId) order by id',
    { tripId },
  );
  return { events, outbox };
}

const count = (outcomes: readonly (Trip | string)[]) => ({
  changed: outcomes.filter((one) => typeof one !== 'string').length,
  codes: [...new Set(outcomes.filter((one) => typeof one === 'string'))],
});

describe('of transitions that are asked for at the same moment', () => {
  test('the same one eight times is one change, and for the rest a repeat', async () => {
    const { id } = await book();
    const moves = Array.from({ length: 8 }, (_, index) =>
      outcome(store(index).transition({ tripId: id, status: 'EN_ROUTE', actor: dispatch })),
    );
    const outcomes = await Promise.all(moves);
    expect(new Set(outcomes.map((one) => (typeof one === 'string' ? one : one.version)))).toEqual(
      new Set([2]),
    );
    expect((await history(id)).events.map(({ version }) => version)).toEqual([1, 2]);
  });

  test('the end of a ride in two ways, exactly one wins', async () => {
    for (let round = 0; round < 10; round++) {
      const { id } = await book();
      for (const status of ['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS'] as const)
        await store(round).transition({ tripId: id, status, actor: dispatch });
      const outcomes = await Promise.all(
        (['COMPLETED', 'CANCELLED'] as const).map((status, index) =>
          outcome(store(index).transition({ tripId: id, status, actor: dispatch })),
        ),
      );
      expect(count(outcomes)).toEqual({ changed: 1, codes: ['INVALID_TRANSITION'] });
      const { events } = await history(id);
      expect(events.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5]);
      const winner = outcomes.find((one) => typeof one !== 'string') as Trip;
      expect(events.at(-1)?.status).toBe(winner.status);
    }
  });

  test('by those who know one version, one wins and the others learn that it has changed', async () => {
    for (let round = 0; round < 5; round++) {
      const { id, version } = await book();
      const outcomes = await Promise.all(
        (['EN_ROUTE', 'CANCELLED', 'EN_ROUTE', 'CANCELLED'] as const).map((status, index) =>
          outcome(store(index).transition({ tripId: id, status, actor: dispatch, version })),
        ),
      );
      const winner = outcomes.find((one) => typeof one !== 'string') as Trip;
      for (const one of outcomes) {
        // Whoever asked for what the trip has become anyway, has it
        if (typeof one === 'string') expect(['VERSION_CONFLICT', 'INVALID_TRANSITION']).toContain(one);
        else expect(one).toEqual(winner);
      }
      expect((await history(id)).events.map(({ status }) => status)).toEqual(['PENDING', winner.status]);
    }
  });

  test('EN_ROUTE for six trips of one driver, exactly one is driven', async () => {
    for (let round = 0; round < 5; round++) {
      const driverId = `torn-${round}`;
      const trips = await Promise.all(Array.from({ length: 6 }, () => book(driverId)));
      const outcomes = await Promise.all(
        trips.map(({ id }, index) =>
          outcome(store(index).transition({ tripId: id, status: 'EN_ROUTE', actor: dispatch })),
        ),
      );
      expect(count(outcomes)).toEqual({ changed: 1, codes: ['INVALID_TRANSITION'] });
      for (const [index, { id }] of trips.entries())
        expect((await history(id)).events).toHaveLength(typeof outcomes[index] === 'string' ? 1 : 2);
    }
  });

  test('setting out and a change of the driver, the one who was assigned then is the one who drives', async () => {
    for (let round = 0; round < 10; round++) {
      const { id } = await book();
      const [moved, planned] = await Promise.all([
        outcome(store(0).transition({ tripId: id, status: 'EN_ROUTE', actor: dispatch })),
        outcome(store(1).plan(id, { driverId: `other-${round}` }, dispatch)),
      ]);
      const { events, outbox } = await history(id);
      const last = outbox.at(-1)?.message as { status: string; driverId: string } | undefined;
      expect(moved).toMatchObject({ status: 'EN_ROUTE' });
      if (typeof planned === 'string') {
        expect(planned).toBe('INVALID_TRANSITION');
        expect(events).toHaveLength(2);
        expect(last?.driverId).not.toBe(`other-${round}`);
      } else {
        expect(events).toHaveLength(3);
        expect(last?.driverId).toBe(`other-${round}`);
      }
    }
  });
});

test('whatever many ask for at once, versions are contiguous, and events and messages tell one allowed story', async () => {
  const trips = await Promise.all(Array.from({ length: 10 }, () => book()));
  await Promise.all(
    trips.flatMap(({ id }) =>
      Array.from({ length: 24 }, (_, index) =>
        outcome(
          store(index).transition({
            tripId: id,
            status: tripStatuses[index % tripStatuses.length] ?? 'PENDING',
            actor: dispatch,
          }),
        ),
      ),
    ),
  );
  const allowed: Record<TripStatus, readonly TripStatus[]> = {
    PENDING: ['EN_ROUTE', 'CANCELLED'],
    EN_ROUTE: ['ARRIVED', 'CANCELLED'],
    ARRIVED: ['IN_PROGRESS', 'CANCELLED'],
    IN_PROGRESS: ['COMPLETED', 'CANCELLED'],
    COMPLETED: [],
    CANCELLED: [],
  };
  for (const { id } of trips) {
    const { events, outbox } = await history(id);
    expect(events.length).toBeGreaterThan(1);
    expect(events.map(({ version }) => version)).toEqual(events.map((_, index) => index + 1));
    for (const [index, { status, previous, at }] of events.entries()) {
      const before = events[index - 1];
      if (before === undefined) continue;
      expect(previous).toBe(before.status);
      expect(allowed[before.status]).toContain(status);
      expect(Date.parse(at)).toBeGreaterThanOrEqual(Date.parse(before.at));
    }
    expect(outbox.map(({ version, message }) => [version, message.status])).toEqual(
      events.map(({ version, status }) => [version, status]),
    );
  }
});

test('a version that is not the current one changes nothing, unless there is nothing to change', async () => {
  const { id } = await book();
  const move = (status: TripStatus, version: number) =>
    outcome(store(0).transition({ tripId: id, status, actor: dispatch, version }));
  expect(await move('EN_ROUTE', 2)).toBe('VERSION_CONFLICT');
  expect(await move('EN_ROUTE', 1)).toMatchObject({ version: 2 });
  // A sender that did not get the answer asks again, as it did before
  expect(await move('EN_ROUTE', 1)).toMatchObject({ version: 2, status: 'EN_ROUTE' });
  expect(await move('ARRIVED', 1)).toBe('VERSION_CONFLICT');
  expect((await history(id)).events).toHaveLength(2);
});

test('listeners hear of every change once, in the order of the versions', async () => {
  const heard: [string, number][] = [];
  for (const one of stores) one.onCommitted(({ id, version }) => void heard.push([id, version]));
  const { id } = await book();
  await Promise.all(
    (['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED', 'EN_ROUTE'] as const).map((status) =>
      outcome(store(0).transition({ tripId: id, status, actor: dispatch })),
    ),
  );
  expect(heard.filter(([tripId]) => tripId === id).map(([, version]) => version)).toEqual([1, 2, 3, 4, 5]);
});
