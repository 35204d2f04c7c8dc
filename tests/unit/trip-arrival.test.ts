import { describe, expect, test } from '@jest/globals';
import type { ActiveTrip } from '../../shared/trips/active-trips.ts';
import { Arrivals } from '../../shared/trips/arrival.ts';

const pickup = { latitude: 48.2, longitude: 16.37 };
const METERS_PER_DEGREE = 111_195;
const RADIUS = 75;

const trip: ActiveTrip = {
  id: 'trip-1',
  driverId: 'bob',
  riderId: 'ann',
  status: 'EN_ROUTE',
  version: 2,
  pickup,
  dropoff: { latitude: 48.3, longitude: 16.37 },
  enRouteAt: 0,
  startedAt: null,
};

type Step = { second: number; metersNorth: number; speed?: number | null };

/** Whether the driver dwells, after each of these positions. */
function walk(
  steps: readonly Step[],
  of: ActiveTrip = trip,
  arrivals: Arrivals = new Arrivals(RADIUS),
): boolean[] {
  return steps.map(({ second, metersNorth, speed = null }) =>
    arrivals.dwells(of, {
      latitude: pickup.latitude + metersNorth / METERS_PER_DEGREE,
      longitude: pickup.longitude,
      recordedAt: 1_800_000_000_000 + second * 1000,
      speed,
    }),
  );
}

/** Straight through, so many metres a second, a position every so many seconds. */
const passingBy = (metersPerSecond: number, every: number, speed: number | null, from = -200): Step[] =>
  Array.from({ length: Math.ceil((-2 * from) / metersPerSecond / every) + 1 }, (_, index) => ({
    second: index * every,
    metersNorth: from + index * every * metersPerSecond,
    speed,
  }));

describe('a driver who passes by does not dwell', () => {
  test.each([
    ['50 km/h, every second', 14, 1],
    ['50 km/h, every 5 seconds', 14, 5],
    ['120 km/h, every second', 33, 1],
    ['40 km/h, every second', 11, 1],
    ['the 20 km/h of slow traffic, every second', 5.6, 1],
    ['50 km/h, ten times a second', 14, 0.1],
  ])('at %s', (_name, metersPerSecond, every) => {
    for (const speed of [metersPerSecond, null])
      expect(walk(passingBy(metersPerSecond, every, speed))).not.toContain(true);
  });

  test('through a circle as large as a station', () => {
    expect(walk(passingBy(8, 1, 8, -600), trip, new Arrivals(500))).not.toContain(true);
  });

  test('when only one position falls within the radius, however slow', () => {
    expect(
      walk([
        { second: 0, metersNorth: -100, speed: 0 },
        { second: 5, metersNorth: 0, speed: 0 },
      ]),
    ).not.toContain(true);
  });
});

describe('a driver dwells', () => {
  test('who stands within the radius', () => {
    expect(
      walk([
        { second: 0, metersNorth: -200, speed: 14 },
        { second: 10, metersNorth: -70, speed: 10 },
        { second: 20, metersNorth: -10, speed: 0 },
      ]),
    ).toEqual([false, false, true]);
  });

  test('who stands, though the device does not say how fast it is', () => {
    expect(
      walk([
        { second: 0, metersNorth: -10 },
        { second: 5, metersNorth: -9 },
      ]),
    ).toEqual([false, true]);
  });

  test('who looks for a place for longer than it takes to pass', () => {
    const circling = Array.from({ length: 40 }, (_, second) => ({
      second,
      metersNorth: 50 * Math.sin(second),
      speed: 8,
    }));
    const dwells = walk(circling);
    expect(dwells.slice(0, 15)).not.toContain(true);
    expect(dwells.at(-1)).toBe(true);
  });

  test('only as long as it is there: who drives on, and stays outside, has not come', () => {
    expect(
      walk([
        { second: 0, metersNorth: 0, speed: 0 },
        { second: 5, metersNorth: 0, speed: 0 },
        { second: 10, metersNorth: 100, speed: 0 },
        { second: 15, metersNorth: 0, speed: 14 },
        { second: 16, metersNorth: 14, speed: 14 },
      ]),
    ).toEqual([false, true, false, false, false]);
  });

  test('on the edge of the radius, and not a metre outside', () => {
    const waiting = (metersNorth: number) =>
      walk([
        { second: 0, metersNorth, speed: 0 },
        { second: 5, metersNorth, speed: 0 },
      ]).at(-1);
    expect(waiting(RADIUS - 1)).toBe(true);
    expect(waiting(-(RADIUS - 1))).toBe(true);
    expect(waiting(RADIUS + 1)).toBe(false);
  });

  test.each(['PENDING', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED'] as const)(
    'not for a trip that is %s',
    (status) => {
      const waiting = [0, 10, 20, 30].map((second) => ({ second, metersNorth: 0, speed: 0 }));
      expect(walk(waiting, { ...trip, status })).not.toContain(true);
    },
  );

  test('for the trip that it is on: what it did before is not counted', () => {
    const arrivals = new Arrivals(RADIUS);
    const waiting = [0, 10].map((second) => ({ second, metersNorth: 0, speed: 0 }));
    expect(walk(waiting, trip, arrivals)).toEqual([false, true]);
    expect(walk([{ second: 20, metersNorth: 0, speed: 0 }], { ...trip, id: 'trip-2' }, arrivals)).toEqual([
      false,
    ]);
    arrivals.forget('trip-1');
    expect(walk([{ second: 30, metersNorth: 0, speed: 0 }], trip, arrivals)).toEqual([false]);
  });
});
