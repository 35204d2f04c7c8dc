import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { request, token } from '../support/platform.ts';
import { expectProblem } from '../support/rest.ts';
import { byDriver, byStaff, type TransitionTable } from '../support/trip-table.ts';
import {
  insertTrips,
  isStatusOf,
  type StatusMessage,
  type TripBody,
  type TripDesk,
  type TripStatus,
  tripDesk,
  tripStatuses,
} from '../support/trips.ts';

let fleet: Fleet;
let desk: TripDesk;

beforeAll(async () => {
  fleet = await startFleet();
  desk = tripDesk(fleet.platform);
});
afterAll(() => fleet?.stop());

const beforeTheRide: readonly TripStatus[] = ['PENDING', 'EN_ROUTE', 'ARRIVED'];

type Answer = 'changed' | 'repeated' | [status: number, code: string];

const outsider: Answer = [404, 'TRIP_NOT_FOUND'];
const forbidden: Answer = [403, 'FORBIDDEN'];
const invalid: Answer = [409, 'INVALID_TRANSITION'];

const byTable = (table: TransitionTable) => (from: TripStatus, to: TripStatus) => {
  if (from === to) return 'repeated';
  return table[from].includes(to) ? 'changed' : invalid;
};

type Named = { riderId: string; driverId: string; tripId: string };

/** Who asks, with which token, and what the answer is to be. */
const parties: Record<
  string,
  { bearer(trip: Named): Promise<string>; answer(from: TripStatus, to: TripStatus): Answer }
> = {
  'its driver': { bearer: ({ driverId }) => token('DRIVER', driverId), answer: byTable(byDriver) },
  'another driver': { bearer: () => token('DRIVER', 'stranger'), answer: () => outsider },
  'its rider': {
    bearer: ({ riderId }) => token('RIDER', riderId),
    answer(from, to) {
      if (to !== 'CANCELLED') return forbidden;
      if (from === 'CANCELLED') return 'repeated';
      return beforeTheRide.includes(from) ? 'changed' : invalid;
    },
  },
  'another rider': { bearer: () => token('RIDER', 'stranger'), answer: () => outsider },
  'a driver who is called like its rider': {
    bearer: ({ riderId }) => token('DRIVER', riderId),
    answer: () => outsider,
  },
  'its viewer': {
    bearer: ({ tripId }) => token('VIEWER', 'guest', { trips: [tripId] }),
    answer: () => forbidden,
  },
  'a viewer of another trip': {
    bearer: () => token('VIEWER', 'guest', { trips: ['00000000-0000-4000-8000-000000000000'] }),
    answer: () => outsider,
  },
  'an operator': { bearer: () => token('OPERATOR', 'olga'), answer: byTable(byStaff) },
  'a service': { bearer: () => token('SERVICE', 'dispatch'), answer: byTable(byStaff) },
};

const pairs = tripStatuses.flatMap((from) => tripStatuses.map((to) => ({ from, to })));

const timeOf: Partial<Record<TripStatus, keyof TripBody>> = {
  EN_ROUTE: 'enRouteAt',
  ARRIVED: 'arrivedAt',
  IN_PROGRESS: 'startedAt',
  COMPLETED: 'completedAt',
  CANCELLED: 'cancelledAt',
};

describe.each(Object.keys(parties))('asked by %s', (name) => {
  const party = parties[name];
  const slug = name.replaceAll(/\W/g, '-');

  test('every status is reached from those that the table says, and nothing else changes a trip', async () => {
    if (party === undefined) throw new Error(name);
    const named = pairs.map(({ from }, index) => ({
      status: from,
      riderId: `${slug}-rider`,
      driverId: `${slug}-driver-${index}`,
    }));
    const ids = await insertTrips(fleet.databaseUrl, named);
    const watcher = await fleet.subscriber('OPERATOR', `watcher-${slug}`, 'trips/+/status', 1);

    const changed: string[] = [];
    await Promise.all(
      pairs.map(async ({ from, to }, index) => {
        const tripId = ids[index] ?? '';
        const wanted = party.answer(from, to);
        const bearer = await party.bearer({
          tripId,
          riderId: `${slug}-rider`,
          driverId: `${slug}-driver-${index}`,
        });
        const before = await desk.trip(tripId);
        const eventsBefore = await desk.events(tripId);
        const answer = await request(fleet.platform, bearer, 'PATCH', `/v1/trips/${tripId}/status`, {
          status: to,
        });
        const after = await desk.trip(tripId);
        const eventsAfter = await desk.events(tripId);
        const pair = `${from} to ${to}`;
        if (wanted === 'changed') {
          changed.push(tripId);
          expect({ pair, status: answer.status, body: answer.body }).toEqual({
            pair,
            status: 200,
            body: after,
          });
          const time = timeOf[to] ?? 'updatedAt';
          expect(after).toEqual({
            ...before,
            status: to,
            version: before.version + 1,
            updatedAt: expect.any(String),
            [time]: expect.any(String),
            ...(to === 'COMPLETED'
              ? { distanceMeters: expect.any(Number), durationSeconds: expect.any(Number) }
              : {}),
          });
          expect(before[time]).not.toBe(after[time]);
          expect(Math.abs(Date.parse(String(after[time])) - Date.now())).toBeLessThan(30_000);
          expect(eventsAfter).toHaveLength(eventsBefore.length + 1);
          expect(eventsAfter.at(-1)).toMatchObject({ version: after.version, status: to, previous: from });
          return;
        }
        if (wanted === 'repeated')
          expect({ pair, status: answer.status, body: answer.body }).toEqual({
            pair,
            status: 200,
            body: before,
          });
        else expectProblem(answer, ...wanted);
        expect({ pair, trip: after, events: eventsAfter }).toEqual({
          pair,
          trip: before,
          events: eventsBefore,
        });
      }),
    );

    const marker = await desk.book({ riderId: 'marker' });
    await watcher.next(isStatusOf(marker.id), 20_000);
    const told = watcher.received.map(({ payload }) => (payload as StatusMessage).tripId);
    expect(told.filter((tripId) => tripId !== marker.id).sort()).toEqual(changed.sort());
  });
});

test('an event says who did what, when and why', async () => {
  const trip = await desk.book({ riderId: 'event-rider', driverId: 'event-driver' });
  const path = `/v1/trips/${trip.id}/status`;
  const driver = await token('DRIVER', 'event-driver');
  const moved = await request(fleet.platform, driver, 'PATCH', path, { status: 'EN_ROUTE' });
  const cancelled = await request(fleet.platform, await token('RIDER', 'event-rider'), 'PATCH', path, {
    status: 'CANCELLED',
    reason: 'changed my mind — Übel',
  });
  expect(cancelled.body).toMatchObject({ cancelReason: 'changed my mind — Übel' });
  expect(await desk.events(trip.id)).toEqual([
    {
      version: 1,
      status: 'PENDING',
      previous: null,
      at: trip.createdAt,
      actor: { sub: 'desk', role: 'SERVICE' },
      reason: null,
    },
    {
      version: 2,
      status: 'EN_ROUTE',
      previous: 'PENDING',
      at: (moved.body as TripBody).updatedAt,
      actor: { sub: 'event-driver', role: 'DRIVER' },
      reason: null,
    },
    {
      version: 3,
      status: 'CANCELLED',
      previous: 'EN_ROUTE',
      at: (cancelled.body as TripBody).updatedAt,
      actor: { sub: 'event-rider', role: 'RIDER' },
      reason: 'changed my mind — Übel',
    },
  ]);
});

test.each([
  ['no status', {}, ['/status']],
  ['an unknown status', { status: 'DONE' }, ['/status']],
  ['a status in small letters', { status: 'arrived' }, ['/status']],
  ['a reason that is a number', { status: 'ARRIVED', reason: 5 }, ['/reason']],
  ['a reason of 501 characters', { status: 'ARRIVED', reason: 'x'.repeat(501) }, ['/reason']],
  ['a reason with NUL', { status: 'ARRIVED', reason: 'a\0b' }, ['/reason']],
  ['a time that is none', { status: 'ARRIVED', at: 'now' }, ['/at']],
  ['a time before all calendars', { status: 'ARRIVED', at: -8.64e15 }, ['/at']],
  ['a time before 1970', { status: 'ARRIVED', at: '0000-01-01T00:00:00Z' }, ['/at']],
  ['a time that is none, with no status', { at: '2026-02-30T00:00:00Z' }, ['/at', '/status']],
  ['version 0', { status: 'ARRIVED', version: 0 }, ['/version']],
  [
    'all of it wrong',
    { status: 1, reason: [], at: {}, version: 'a' },
    ['/at', '/reason', '/status', '/version'],
  ],
  ['a list', [{ status: 'ARRIVED' }], ['']],
])('%s is refused and every wrong field named', async (_name, body, fields) => {
  const trip = await desk.bookIn('EN_ROUTE', { driverId: `wrong-${crypto.randomUUID()}` });
  const bearer = await token('SERVICE', 'dispatch');
  const answer = await request(fleet.platform, bearer, 'PATCH', `/v1/trips/${trip.id}/status`, body);
  const { errors = [] } = expectProblem(answer, 400, 'INVALID_PAYLOAD');
  expect([...new Set(errors.map(({ path }) => path))].sort()).toEqual(fields);
  expect(await desk.trip(trip.id)).toEqual(trip);
});

test.each([
  ['an id that nobody has', '00000000-0000-4000-8000-000000000000'],
  ['no id at all', 'nonsense'],
  ['SQL', encodeURIComponent("'; drop table trip_tracking; --")],
  ['NUL', '%00'],
  ['2000 characters', 'a'.repeat(2000)],
])('under %s there is no trip', async (_name, id) => {
  const bearer = await token('SERVICE', 'dispatch');
  const answer = await request(fleet.platform, bearer, 'PATCH', `/v1/trips/${id}/status`, {
    status: 'CANCELLED',
  });
  expectProblem(answer, 404, 'TRIP_NOT_FOUND');
});
