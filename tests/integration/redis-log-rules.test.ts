import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DriverState } from '../../shared/position-log/driver-state.ts';
import type { Decision, PositionLog, Submission } from '../../shared/position-log/index.ts';
import { DriverTrips } from '../../shared/position-log/redis/driver-trips.ts';
import { type ActiveTrip, activeTripOf } from '../../shared/trips/active-trips.ts';
import type { Trip } from '../../shared/trips/trip.ts';
import { LogCluster, live, submission } from '../support/log-cluster.ts';
import { dropoff, pickup } from '../support/trips.ts';

const NOW = 1_800_000_000_000;
const unlimited = { locationMinIntervalMs: 0, backlogMaxPerMinute: 1_000_000 };

let cluster: LogCluster;
let trips: DriverTrips;

beforeEach(() => {
  cluster = new LogCluster();
  trips = new DriverTrips(cluster.commands, cluster.shards, 60_000);
});
afterEach(() => cluster.close());

const trip = (fields: Partial<Trip> = {}): Trip => ({
  id: 'trip-1',
  riderId: 'ann',
  driverId: 'bob',
  status: 'EN_ROUTE',
  version: 2,
  pickup,
  dropoff,
  metadata: {},
  createdAt: new Date(NOW).toISOString(),
  updatedAt: new Date(NOW).toISOString(),
  enRouteAt: new Date(NOW).toISOString(),
  arrivedAt: null,
  startedAt: null,
  completedAt: null,
  cancelledAt: null,
  cancelReason: null,
  distanceMeters: null,
  durationSeconds: null,
  ...fields,
});

async function decided(log: PositionLog, ...submissions: Submission[]): Promise<readonly Decision[]> {
  const { decisions, kept } = await log.append(submissions);
  await kept;
  return decisions;
}

const codes = (decisions: readonly Decision[]) =>
  decisions.map((decision) => (decision.admitted ? 'admitted' : decision.code));

const newest = (decisions: readonly Decision[]) =>
  decisions.map((decision) => (decision.admitted ? (decision.newest?.recordedAt ?? null) : decision.code));

test('it decides as the log of one process does, whatever comes, from whatever process', async () => {
  const logs = [await cluster.log(), await cluster.log()];
  let run = 0;
  const time = fc.option(fc.integer({ min: NOW - 20, max: NOW + 20 }), { freq: 3, nil: null });
  const one = fc.record({
    driver: fc.constantFrom('a', 'b', 'c', 'd'),
    kind: fc.constantFrom('live' as const, 'backlog' as const),
    times: fc.array(time, { minLength: 1, maxLength: 5 }),
    receivedAt: fc.integer({ min: NOW - 3, max: NOW + 3 }),
  });
  const turns = fc.array(
    fc.record({ by: fc.constantFrom(0, 1), batch: fc.array(one, { minLength: 1, maxLength: 6 }) }),
    {
      maxLength: 6,
    },
  );
  await fc.assert(
    fc.asyncProperty(turns, async (given) => {
      const prefix = `run-${++run}-`;
      const states = new Map<string, DriverState>();
      for (const { by, batch } of given) {
        const submissions = batch.map(({ driver, kind, times, receivedAt }) =>
          submission(prefix + driver, kind, kind === 'live' ? times.slice(0, 1) : times, receivedAt),
        );
        const expected = submissions.map((own) => {
          const state = states.get(own.driverId) ?? new DriverState(own.receivedAt);
          states.set(own.driverId, state);
          return state.decide(own, unlimited, undefined);
        });
        expect(await decided(logs[by] as PositionLog, ...submissions)).toEqual(expected);
      }
    }),
    { numRuns: 60 },
  );
});

describe('over the limit', () => {
  test('of live positions is what comes too soon, over the whole cluster; resent is not', async () => {
    const [one, other] = [
      await cluster.log({ locationMinIntervalMs: 60_000 }),
      await cluster.log({ locationMinIntervalMs: 60_000 }),
    ];
    expect(codes(await decided(one, live('bob', NOW)))).toEqual(['admitted']);
    const [refused] = await decided(other, live('bob', NOW + 1));
    expect(refused).toMatchObject({ admitted: false, code: 'RATE_LIMITED' });
    expect((refused as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(50_000);
    expect((refused as { retryAfterMs: number }).retryAfterMs).toBeLessThanOrEqual(60_000);
    expect(codes(await decided(other, live('bob', NOW), live('eve', NOW)))).toEqual(['admitted', 'admitted']);
  });

  test('of live positions is nothing any more once the interval is over', async () => {
    const log = await cluster.log({ locationMinIntervalMs: 300 });
    expect(codes(await decided(log, live('bob', NOW), live('bob', NOW + 1)))).toEqual([
      'admitted',
      'RATE_LIMITED',
    ]);
    await new Promise((resolve) => setTimeout(resolve, 350));
    expect(codes(await decided(log, live('bob', NOW + 2)))).toEqual(['admitted']);
  });

  test('of backlogs is what exceeds the budget of a minute, refilled evenly', async () => {
    const log = await cluster.log({ backlogMaxPerMinute: 600 });
    const times = (count: number, from: number) =>
      Array.from({ length: count }, (_, index) => NOW + from + index);
    const send = async (count: number, from: number) =>
      decided(log, submission('bob', 'backlog', times(count, from)));
    expect(codes(await send(500, 0))).toEqual(['admitted']);
    const [refused] = await send(200, 1000);
    expect(refused).toMatchObject({ code: 'RATE_LIMITED' });
    expect((refused as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(9000);
    expect(codes(await send(100, 2000))).toEqual(['admitted']);
  });

  test('of the log itself is what finds no room; it has room again when a worker has been there', async () => {
    const log = await cluster.log({ maxQueuedPositions: 30 });
    const times = Array.from({ length: 8 }, (_, index) => NOW + index);
    expect(
      codes(await decided(log, submission('bob', 'backlog', times), submission('bob', 'backlog', times))),
    ).toEqual(['admitted', 'OVERLOADED']);
    expect(codes(await decided(log, submission('bob', 'backlog', times)))).toEqual(['OVERLOADED']);
    cluster.worker(async (positions) => positions.map(() => 'accepted' as const));
    const until = Date.now() + 10_000;
    while (
      codes(await decided(log, submission('bob', 'backlog', times)))[0] !== 'admitted' &&
      Date.now() < until
    );
    expect(codes(await decided(log, live('bob', NOW + 100)))).toEqual(['admitted']);
  });
});

test('a live position that comes again, or stands twice in a batch, or is stored, is a duplicate', async () => {
  const log = await cluster.log({ stored: async () => new Set([NOW - 5]) });
  const outcomes = async (...submissions: Submission[]) => (await log.append(submissions)).kept;
  expect(await outcomes(live('bob', NOW), live('bob', NOW))).toEqual(['accepted', 'duplicate']);
  expect(await outcomes(submission('bob', 'backlog', [NOW - 9, NOW - 5, NOW - 9]))).toEqual([
    'accepted',
    'duplicate',
    'duplicate',
  ]);
});

describe('the trip of a driver', () => {
  const onTrip = async (log: PositionLog): Promise<ActiveTrip | undefined> => {
    const [decision] = await decided(log, live('bob', null));
    return decision?.admitted ? decision.trip : undefined;
  };

  test('is known with each position, from the moment that anybody has told of it, until its end', async () => {
    const [one, other] = [await cluster.log(), await cluster.log()];
    expect(await onTrip(one)).toBeUndefined();
    await trips.apply(trip());
    expect(await onTrip(one)).toEqual(activeTripOf(trip()));
    expect(await onTrip(one)).toEqual(activeTripOf(trip()));
    const under = trip({ status: 'IN_PROGRESS', version: 4, startedAt: new Date(NOW + 9000).toISOString() });
    await trips.apply(under);
    expect([await onTrip(one), await onTrip(other)]).toEqual([activeTripOf(under), activeTripOf(under)]);
    await trips.apply(trip({ status: 'COMPLETED', version: 5 }));
    expect([await onTrip(one), await onTrip(other)]).toEqual([undefined, undefined]);
  });

  test('is what came last, in whatever order it is told', async () => {
    const log = await cluster.log();
    const next = trip({ id: 'trip-2', version: 2, enRouteAt: new Date(NOW + 5000).toISOString() });
    await trips.apply(trip({ version: 3, status: 'ARRIVED' }));
    expect(await trips.apply(trip())).toBe(false);
    expect((await onTrip(log))?.status).toBe('ARRIVED');
    await trips.apply(next);
    await trips.apply(trip({ status: 'CANCELLED', version: 4 }));
    expect((await onTrip(log))?.id).toBe('trip-2');
  });

  test('takes in of a backlog only what was recorded since its part began', async () => {
    const log = await cluster.log();
    await trips.apply(trip());
    const [decision] = await decided(log, submission('bob', 'backlog', [NOW - 1, NOW, NOW + 1]));
    expect(decision?.admitted && decision.positions.map(({ tripId }) => tripId)).toEqual([
      null,
      'trip-1',
      'trip-1',
    ]);
  });

  test('is shown with the newest position of its driver', async () => {
    const log = await cluster.log();
    expect(await trips.current('bob')).toBeUndefined();
    await trips.apply(trip());
    expect(await trips.current('bob')).toEqual({ trip: activeTripOf(trip()), position: undefined });
    expect(newest(await decided(log, live('bob', NOW + 5), live('bob', NOW + 3)))).toEqual([NOW + 5, null]);
    expect((await trips.current('bob'))?.position).toMatchObject({
      recordedAt: NOW + 5,
      latitude: 48.2,
      speed: 12.5,
      bearing: null,
      tripId: 'trip-1',
    });
    await trips.erase('bob', NOW + 5);
    expect((await trips.current('bob'))?.position).toBeDefined();
    await trips.erase('bob', NOW + 6);
    expect((await trips.current('bob'))?.position).toBeUndefined();
  });
});
