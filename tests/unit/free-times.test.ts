import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { findFreeTimes } from '../../ingest/free-times.ts';
import type { LoggedPosition } from '../../shared/position-log/index.ts';

const position = (recordedAt: number, receivedAt = 0, latitude = 0): LoggedPosition => ({
  driverId: 'driver-1',
  recordedAt,
  receivedAt,
  latitude,
  longitude: 0,
  bearing: null,
  speed: null,
  accuracy: null,
  altitude: null,
  battery: null,
  tripId: null,
  timeAssigned: true,
});

const times = (positions: readonly LoggedPosition[]) => positions.map(({ recordedAt }) => recordedAt);

describe('positions that are moved on', () => {
  test('get the next free milliseconds, each one of its own', () => {
    const stored = [0, 1, 4].map((at) => position(at, 99));
    const moved = [position(0), position(0), position(1), position(5)];
    expect(findFreeTimes(moved, stored, new Set(), 100)).toEqual({ placed: moved, left: [] });
    expect(times(moved)).toEqual([2, 3, 5, 6]);
  });

  test('that find themselves are stored already, each one once', () => {
    const stored = [position(0, 99), position(1), position(2)];
    const moved = [position(0), position(0), position(0)];
    const { placed } = findFreeTimes(moved, stored, new Set(), 100);
    expect(times(moved)).toEqual([1, 2, 3]);
    expect(placed).toEqual([moved[2]]);
  });

  test.each([
    ['another place', position(1, 0, 5)],
    ['another moment of receipt', position(1, 7)],
  ])('are not taken for one from %s', (_name, other) => {
    const moved = [position(1)];
    expect(findFreeTimes(moved, [other], new Set(), 100).placed).toEqual(moved);
    expect(times(moved)).toEqual([2]);
  });

  test('are not taken for one that is known to be another', () => {
    const moved = [position(1)];
    const taken = new Set([1]);
    expect(findFreeTimes(moved, [position(1)], taken, 100).placed).toEqual(moved);
    expect([...taken]).toEqual([1, 2]);
  });

  test('that find nothing before the end go on from there', () => {
    const stored = [0, 1, 2, 3, 4].map((at) => position(at, 99));
    const moved = [position(0), position(3)];
    expect(findFreeTimes(moved, stored, new Set(), 5)).toEqual({ placed: [], left: moved });
    expect(times(moved)).toEqual([5, 5]);
  });
});

test('whatever is stored, no two end at one time, none where another is, and none before its own', () => {
  const offset = fc.nat(40);
  fc.assert(
    fc.property(fc.uniqueArray(offset), fc.array(offset, { maxLength: 30 }), (storedTimes, given) => {
      const stored = storedTimes.map((at) => position(at, 99));
      const inOrder = given.toSorted((a, b) => a - b);
      const moved = inOrder.map((at) => position(at));
      const { placed, left } = findFreeTimes(moved, stored, new Set(), 1000);
      expect(left).toEqual([]);
      expect(placed).toEqual(moved);
      const all = [...times(moved), ...storedTimes];
      expect(new Set(all).size).toBe(all.length);
      moved.forEach(({ recordedAt }, index) => {
        const own = inOrder[index] ?? 0;
        expect(recordedAt).toBeGreaterThanOrEqual(own);
        // Nothing free was passed over
        for (let at = own; at < recordedAt; at++) expect(all).toContain(at);
      });
    }),
  );
});
