import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DriverState } from '../../shared/position-log/driver-state.ts';
import type { Decision, Submission } from '../../shared/position-log/index.ts';
import type { ActiveTrip } from '../../shared/trips/active-trips.ts';

const START = Date.parse('2026-11-23T12:00:00Z');
const limits = { locationMinIntervalMs: 5000, backlogMaxPerMinute: 6000 };
const none = { locationMinIntervalMs: 0, backlogMaxPerMinute: 6000 };
const noTrip = undefined;
const trip: ActiveTrip = {
  id: 'trip-1',
  driverId: 'driver-1',
  riderId: 'rider-1',
  status: 'EN_ROUTE',
  version: 2,
  pickup: { latitude: 48, longitude: 16 },
  dropoff: { latitude: 49, longitude: 17 },
  enRouteAt: START,
  startedAt: null,
};

const position = (recordedAt: number | null) => ({
  latitude: 48,
  longitude: 16,
  bearing: 1,
  speed: 2,
  accuracy: 3,
  altitude: 4,
  battery: 5,
  recordedAt,
});

const live = (receivedAt: number, recordedAt: number | null = receivedAt): Submission => ({
  driverId: 'driver-1',
  kind: 'live',
  positions: [position(recordedAt)],
  receivedAt,
});

const backlog = (receivedAt: number, ...times: (number | null)[]): Submission => ({
  driverId: 'driver-1',
  kind: 'backlog',
  positions: times.map(position),
  receivedAt,
});

function admitted(decision: Decision) {
  if (!decision.admitted) throw new Error(`refused: ${decision.code}`);
  return {
    times: decision.positions.map(({ recordedAt }) => recordedAt),
    newest: decision.newest?.recordedAt ?? null,
    positions: decision.positions,
  };
}

describe('live positions', () => {
  test('are held to one in every interval, and told how long to wait', () => {
    const state = new DriverState(START);
    expect(state.decide(live(START), limits, noTrip)).toMatchObject({ admitted: true });
    expect(state.decide(live(START + 1200), limits, noTrip)).toMatchObject({
      admitted: false,
      code: 'RATE_LIMITED',
      retryAfterMs: 3800,
    });
    expect(state.decide(live(START + 5000), limits, noTrip)).toMatchObject({ admitted: true });
  });

  test('without an interval are never held', () => {
    const state = new DriverState(START);
    for (let index = 0; index < 100; index++)
      expect(state.decide(live(START, START + index), none, noTrip).admitted).toBe(true);
  });

  test('that are resent take nothing from the limit, and are not delivered again', () => {
    const state = new DriverState(START);
    state.decide(live(START), limits, noTrip);
    for (let times = 1; times <= 3; times++)
      expect(admitted(state.decide(live(START + times, START), limits, noTrip))).toMatchObject({
        times: [START],
        newest: null,
      });
    // The limit still runs from the first one
    expect(state.decide(live(START + 4999), limits, noTrip)).toMatchObject({ retryAfterMs: 1 });
    expect(state.decide(live(START + 5000), limits, noTrip).admitted).toBe(true);
  });

  test('that are refused are as if they had never come', () => {
    const state = new DriverState(START);
    state.decide(live(START), limits, noTrip);
    state.decide(live(START + 1000, START + 30_000), limits, noTrip);
    expect(state.newestRecordedAt).toBe(START);
    expect(admitted(state.decide(live(START + 5000), limits, noTrip)).newest).toBe(START + 5000);
    // Not taken for resent either
    expect(state.decide(live(START + 6000, START + 30_000), limits, noTrip)).toMatchObject({
      code: 'RATE_LIMITED',
    });
  });

  test('keep what was sent, and get what the log knows', () => {
    const state = new DriverState(START);
    const decision = state.decide(live(START + 7, START), limits, trip);
    expect(admitted(decision).positions).toEqual([
      {
        ...position(START),
        driverId: 'driver-1',
        receivedAt: START + 7,
        tripId: 'trip-1',
        timeAssigned: false,
      },
    ]);
    expect(decision).toMatchObject({ trip });
  });
});

describe('backlogs', () => {
  test('are not held to the interval, nor do they hold live positions', () => {
    const state = new DriverState(START);
    state.decide(live(START), limits, noTrip);
    expect(state.decide(backlog(START + 1, START - 1, START - 2), limits, noTrip).admitted).toBe(true);
    expect(state.decide(live(START + 5000), limits, noTrip).admitted).toBe(true);
  });

  test('have a budget of their own, and are told how long to wait', () => {
    const state = new DriverState(START);
    const batch = backlog(START, ...Array.from({ length: 500 }, (_, index) => START - index));
    for (let count = 0; count < 12; count++) expect(state.decide(batch, limits, noTrip).admitted).toBe(true);
    expect(state.decide(batch, limits, noTrip)).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 5000 });
    expect(state.decide(live(START), limits, noTrip).admitted).toBe(true);
  });

  test('give subscribers the newest, and only if it is newer than what they have', () => {
    const state = new DriverState(START);
    const decide = (...times: number[]) =>
      admitted(state.decide(backlog(START, ...times), limits, noTrip)).newest;
    expect(decide(START - 30, START - 10, START - 20)).toBe(START - 10);
    expect(decide(START - 15, START - 10)).toBeNull();
    expect(decide(START - 40, START - 5)).toBe(START - 5);
    expect(admitted(state.decide(live(START - 4), limits, noTrip)).newest).toBe(START - 4);
  });
});

describe('positions without a time of their own', () => {
  test('get the time of receipt, moved on by one where another has it', () => {
    const state = new DriverState(START);
    const decide = (submission: Submission) => admitted(state.decide(submission, none, noTrip));
    expect(decide(live(START, null)).times).toEqual([START]);
    expect(decide(live(START, null)).times).toEqual([START + 1]);
    expect(decide(backlog(START + 1, null, null, null)).times).toEqual([START + 2, START + 3, START + 4]);
    expect(decide(live(START + 5, null)).times).toEqual([START + 5]);
    const [given, own] = decide(backlog(START + 9, START, null)).positions;
    expect([given?.timeAssigned, own?.timeAssigned]).toEqual([false, true]);
  });

  test('are never resent ones: each takes from the limit', () => {
    const state = new DriverState(START);
    expect(state.decide(live(START, null), limits, noTrip).admitted).toBe(true);
    expect(state.decide(live(START + 1, null), limits, noTrip)).toMatchObject({ code: 'RATE_LIMITED' });
    expect(state.decide(live(START + 5000, null), limits, noTrip).admitted).toBe(true);
  });
});

test('whatever comes in whatever order, what is delivered only moves forward, and no time is assigned twice', () => {
  const time = fc.option(fc.integer({ min: START - 100, max: START + 100 }));
  const submission = fc.record({
    gap: fc.nat(3),
    kind: fc.constantFrom<'live' | 'backlog'>('live', 'backlog'),
    times: fc.array(time, { minLength: 1, maxLength: 5 }),
  });
  fc.assert(
    fc.property(fc.array(submission, { maxLength: 60 }), fc.option(time), (submissions, known) => {
      const before = known ?? undefined;
      const state = new DriverState(START, before ?? undefined);
      let now = START;
      let delivered = before ?? Number.NEGATIVE_INFINITY;
      const assigned = new Set<number>();
      for (const { gap, kind, times } of submissions) {
        now += gap;
        const sent = kind === 'live' ? times.slice(0, 1) : times;
        const { positions, newest } = admitted(
          state.decide({ ...backlog(now, ...sent), kind }, none, noTrip),
        );
        expect(positions).toHaveLength(sent.length);
        const best = Math.max(...positions.map(({ recordedAt }) => recordedAt));
        expect(newest).toBe(best > delivered ? best : null);
        delivered = Math.max(delivered, best);
        for (const { timeAssigned, recordedAt } of positions) {
          if (!timeAssigned) continue;
          expect(assigned.has(recordedAt)).toBe(false);
          expect(recordedAt).toBeGreaterThanOrEqual(now);
          assigned.add(recordedAt);
        }
      }
    }),
  );
});
