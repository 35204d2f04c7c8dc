import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Role } from '../../shared/auth/identity.ts';
import { type ErrorMessage, type Fleet, isError, json, startFleet } from '../support/fleet.ts';
import { connectClient, type TestClient } from '../support/mqtt-client.ts';
import { token } from '../support/platform.ts';
import { byDriver, byStaff, type TransitionTable } from '../support/trip-table.ts';
import {
  insertTrips,
  isStatusOf,
  type StatusMessage,
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

type Answer = 'changed' | 'repeated' | 'FORBIDDEN' | 'TRIP_NOT_FOUND' | 'INVALID_TRANSITION';

const byTable = (table: TransitionTable) => (from: TripStatus, to: TripStatus) => {
  if (from === to) return 'repeated';
  return table[from].includes(to) ? 'changed' : 'INVALID_TRANSITION';
};

type Party = {
  role: Role;
  /** undefined: a connection for each trip, as its driver. */
  sub: string | undefined;
  errors: 'drivers' | 'riders';
  answer(from: TripStatus, to: TripStatus): Answer;
};

const parties: Record<string, Party> = {
  'its driver': { role: 'DRIVER', sub: undefined, errors: 'drivers', answer: byTable(byDriver) },
  'another driver': { role: 'DRIVER', sub: 'stranger', errors: 'drivers', answer: () => 'TRIP_NOT_FOUND' },
  'its rider': { role: 'RIDER', sub: 'ann', errors: 'riders', answer: () => 'FORBIDDEN' },
  'another rider': { role: 'RIDER', sub: 'stranger', errors: 'riders', answer: () => 'FORBIDDEN' },
  'its viewer': { role: 'VIEWER', sub: 'guest', errors: 'riders', answer: () => 'FORBIDDEN' },
  'an operator': { role: 'OPERATOR', sub: 'olga', errors: 'drivers', answer: byTable(byStaff) },
  'a service': { role: 'SERVICE', sub: 'dispatch', errors: 'drivers', answer: byTable(byStaff) },
};

const pairs = tripStatuses.flatMap((from) => tripStatuses.map((to) => ({ from, to })));
const transitionTopic = (tripId: string) => `trips/${tripId}/transition`;

async function connect(role: Role, sub: string, trips: string[], errors: string): Promise<TestClient> {
  const bearer = await token(role, sub, role === 'VIEWER' ? { trips } : {});
  const client = await connectClient(fleet.platform.urls.mqtt, bearer);
  await client.client.subscribeAsync(`${errors}/${sub}/errors`, { qos: 1 });
  return client;
}

describe.each(Object.entries(parties))('asked by %s', (name, { role, sub, errors, answer }) => {
  const slug = name.replaceAll(/\W/g, '-');

  test('every status is reached from those that the table says, and whatever else is reported', async () => {
    const named = pairs.map(({ from }, index) => ({
      status: from,
      riderId: 'ann',
      driverId: `${slug}-driver-${index}`,
    }));
    const ids = await insertTrips(fleet.databaseUrl, named);
    const watcher = await fleet.subscriber('OPERATOR', `watcher-${slug}`, 'trips/+/status', 1);
    const shared = sub === undefined ? undefined : await connect(role, sub, ids, errors);
    const clients: TestClient[] = [];
    try {
      const results = await Promise.all(
        pairs.map(async ({ from, to }, index) => {
          const tripId = ids[index] ?? '';
          const driverId = `${slug}-driver-${index}`;
          const client = shared ?? (await connect(role, driverId, [], errors));
          clients.push(client);
          const [before, eventsBefore] = await Promise.all([desk.trip(tripId), desk.events(tripId)]);
          await client.client.publishAsync(transitionTopic(tripId), json({ status: to }), { qos: 1 });
          // Errors come in the order of what they are about: after this one, none is on its way
          const end = `end-${index}`;
          await client.client.publishAsync(`refused/${end}`, '{}', { qos: 1 });
          await client.next(({ payload }) => (payload as ErrorMessage).topic === `refused/${end}`, 20_000);
          const reported = client.received
            .map(({ payload }) => payload as ErrorMessage)
            .filter(({ topic }) => topic === transitionTopic(tripId));
          const [after, eventsAfter] = await Promise.all([desk.trip(tripId), desk.events(tripId)]);
          const wanted = answer(from, to);
          const pair = `${from} to ${to}`;
          const isRefused = wanted !== 'changed' && wanted !== 'repeated';
          expect({ pair, reported: reported.map(({ code }) => code) }).toEqual({
            pair,
            reported: isRefused ? [wanted] : [],
          });
          if (wanted === 'changed') {
            expect(after).toMatchObject({ status: to, version: before.version + 1 });
            expect(eventsAfter).toHaveLength(eventsBefore.length + 1);
            expect(eventsAfter.at(-1)).toMatchObject({
              version: after.version,
              previous: from,
              status: to,
              actor: { role, sub: sub ?? driverId },
            });
          } else
            expect({ pair, trip: after, events: eventsAfter }).toEqual({
              pair,
              trip: before,
              events: eventsBefore,
            });
          return { tripId, wanted };
        }),
      );
      const marker = await desk.book({ riderId: 'marker' });
      await watcher.next(isStatusOf(marker.id), 20_000);
      const told = watcher.received.map(({ payload }) => (payload as StatusMessage).tripId);
      expect(told.filter((tripId) => tripId !== marker.id).sort()).toEqual(
        results.flatMap(({ tripId, wanted }) => (wanted === 'changed' ? [tripId] : [])).sort(),
      );
    } finally {
      await Promise.all(clients.map((client) => client.end()));
    }
  });
});

const messages: [name: string, payload: string, code: string, message: RegExp][] = [
  ['nothing', '', 'INVALID_PAYLOAD', /JSON/],
  ['a bare status', '"ARRIVED"', 'INVALID_PAYLOAD', /object/],
  ['an unknown status', json({ status: 'DONE' }), 'INVALID_PAYLOAD', /status/],
  ['no status', '{}', 'INVALID_PAYLOAD', /status/],
  ['a long reason', json({ status: 'ARRIVED', reason: 'x'.repeat(501) }), 'INVALID_PAYLOAD', /reason/],
  ['a reason with NUL', json({ status: 'ARRIVED', reason: 'a\0' }), 'INVALID_PAYLOAD', /reason/],
  [
    'a time without an offset',
    json({ status: 'ARRIVED', at: '2026-01-01T10:00:00' }),
    'INVALID_PAYLOAD',
    /at/,
  ],
  ['a time that no clock shows', json({ status: 'ARRIVED', at: 9e15 }), 'INVALID_PAYLOAD', /at/],
  [
    'a time 3 minutes ahead',
    json({ status: 'ARRIVED', at: new Date(Date.now() + 180_000).toISOString() }),
    'IN_FUTURE',
    /at/,
  ],
];

test.each(messages)('%s changes nothing and is reported', async (_name, payload, code, message) => {
  const driverId = `driver-${crypto.randomUUID()}`;
  const trip = await desk.bookIn('EN_ROUTE', { driverId });
  const driver = await fleet.subscriber('DRIVER', driverId, `drivers/${driverId}/errors`, 1);
  await driver.client.publishAsync(transitionTopic(trip.id), payload, { qos: 1 });
  const { payload: error } = await driver.next(isError(code));
  expect(error).toEqual({
    code,
    message: expect.stringMatching(message),
    topic: transitionTopic(trip.id),
    at: expect.any(String),
  });
  expect(await desk.trip(trip.id)).toEqual(trip);
});

test.each([
  ['a trip that is not there', '00000000-0000-4000-8000-000000000000'],
  ['something that is no trip id', 'trip-1'],
])('a transition of %s is reported', async (_name, id) => {
  const operator = await fleet.subscriber('OPERATOR', 'otto', 'drivers/otto/errors', 1);
  await operator.client.publishAsync(transitionTopic(id), json({ status: 'CANCELLED' }), { qos: 1 });
  const { payload } = await operator.next(
    ({ payload }) => (payload as ErrorMessage).topic === transitionTopic(id),
  );
  expect(payload).toMatchObject({ code: 'TRIP_NOT_FOUND' });
});

test('reason and time of the device are taken, as text and as epoch ms, and nothing is decided by that time', async () => {
  const driverId = 'timely-driver';
  const trip = await desk.book({ driverId });
  const driver = await fleet.client('DRIVER', driverId);
  const longAgo = Date.now() - 86_400_000;
  const send = (body: object) => driver.client.publishAsync(transitionTopic(trip.id), json(body), { qos: 2 });
  await send({ status: 'EN_ROUTE', at: new Date(longAgo).toISOString(), reason: 'first' });
  await send({ status: 'ARRIVED', at: longAgo, reason: 'second' });
  const events = await desk.events(trip.id);
  expect(events.map(({ status, reason }) => [status, reason])).toEqual([
    ['PENDING', null],
    ['EN_ROUTE', 'first'],
    ['ARRIVED', 'second'],
  ]);
  for (const { at } of events) expect(Date.now() - Date.parse(at)).toBeLessThan(60_000);
});

test.each([0, 1, 2] as const)(
  'transitions sent at QoS %i in one go are all made, in their order',
  async (qos) => {
    const driverId = `burst-${qos}`;
    const trip = await desk.book({ driverId });
    const driver = await fleet.subscriber('DRIVER', driverId, `trips/${trip.id}/status`, 1);
    for (const status of ['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED'])
      driver.client.publish(transitionTopic(trip.id), json({ status }), { qos });
    await driver.next(isStatusOf(trip.id, 'COMPLETED'));
    expect((await desk.events(trip.id)).map(({ version, status }) => [version, status])).toEqual([
      [1, 'PENDING'],
      [2, 'EN_ROUTE'],
      [3, 'ARRIVED'],
      [4, 'IN_PROGRESS'],
      [5, 'COMPLETED'],
    ]);
  },
);
