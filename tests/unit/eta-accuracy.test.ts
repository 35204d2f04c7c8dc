import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { bands, measure, median } from '../../tools/eta-accuracy/measure.ts';
import { baselines, type Method, ownMethod } from '../../tools/eta-accuracy/methods.ts';
import { parseOptions } from '../../tools/eta-accuracy/options.ts';
import { reportLines } from '../../tools/eta-accuracy/report.ts';
import { recordedTrips } from '../../tools/eta-accuracy/trips.ts';
import { readTrack } from '../../tools/replay/read-track.ts';
import type { TrackPoint } from '../../tools/replay/track-point.ts';
import { UsageError } from '../../tools/shared/usage-error.ts';

const METERS_PER_DEGREE = 111_195.0802;

/** A track north along a meridian: metres from its start, by second. */
function track(name: string, metersBySecond: readonly number[], speed?: number): TrackPoint[] {
  return metersBySecond.map((meters, second) => ({
    track: name,
    timeMs: second * 1000,
    latitude: meters / METERS_PER_DEGREE,
    longitude: 20,
    speed,
    bearing: undefined,
    altitude: undefined,
    accuracy: undefined,
    battery: undefined,
  }));
}

const seconds = (count: number, metersAt: (second: number) => number) =>
  Array.from({ length: count + 1 }, (_, second) => metersAt(second));

const steady = (name: string, speed: number, count = 600) =>
  track(
    name,
    seconds(count, (second) => speed * second),
    speed,
  );

describe('a track as a trip', () => {
  test('the time and the way that are left are those to where the track ends', () => {
    const [trip] = recordedTrips(steady('a', 10, 100), 5);
    expect(trip?.target.latitude).toBeCloseTo(1_000 / METERS_PER_DEGREE);
    expect(trip?.moments[0]).toMatchObject({ position: { recordedAt: 0, speed: 10 } });
    // At 990 m it is there: within 15 m of the end.
    expect(trip?.moments[0]?.remainingSeconds).toBe(99);
    expect(trip?.moments[0]?.remainingMeters).toBeCloseTo(1_000, 1);
    expect(trip?.moments[10]?.remainingMeters).toBeCloseTo(500, 1);
  });

  test('ends when the vehicle stands, not when the recording does', () => {
    const parked = track(
      'a',
      seconds(400, (second) => Math.min(second, 100) * 10 + (second > 100 ? second % 3 : 0)),
    );
    const [trip] = recordedTrips(parked, 5);
    expect(trip?.moments).toHaveLength(20);
    expect(trip?.moments[0]?.remainingSeconds).toBe(99);
    expect(trip?.moments[0]?.remainingMeters).toBeLessThan(1_003);
  });

  test('goes on when it only passes by the place where it ends', () => {
    const there = (second: number) => (second < 100 ? second * 10 : second < 150 ? 2_000 - second * 10 : 500);
    const [trip] = recordedTrips(track('a', seconds(200, there)), 1);
    expect(trip?.moments[50]).toMatchObject({ remainingSeconds: 99 });
    expect(trip?.moments[50]?.remainingMeters).toBeCloseTo(1_000, 0);
  });

  test('is over from the start when the vehicle never moves', () => {
    expect(recordedTrips(track('a', [0, 1, 2, 1]), 5)[0]?.moments).toEqual([]);
  });

  test('one position in so many seconds, however many there are', () => {
    const at = (every: number) =>
      recordedTrips(steady('a', 20, 100), every)[0]?.moments.map(
        ({ position }) => position.recordedAt / 1000,
      );
    expect(at(5)?.slice(0, 4)).toEqual([0, 5, 10, 15]);
    expect(at(0)).toHaveLength(100);
  });

  test('tracks that are mixed in the file are one trip each', () => {
    const mixed = [...steady('a', 10), ...steady('b', 4)].sort((a, b) => a.timeMs - b.timeMs);
    expect(recordedTrips(mixed, 5).map((trip) => [trip.track, trip.moments[0]?.remainingSeconds])).toEqual([
      ['a', 599],
      ['b', 597],
    ]);
  });
});

describe('the measure', () => {
  const off = (by: number): Method => ({
    name: 'off',
    begin: ({ moments }) => {
      let next = 0;
      return () => {
        const moment = moments[next++];
        return {
          seconds: (moment?.remainingSeconds ?? 0) + by,
          meters: (moment?.remainingMeters ?? 0) * 1.25,
        };
      };
    },
  });

  test('the median is the middle one, or the mean of the two in the middle', () => {
    expect(median([5, 1, 100])).toBe(5);
    expect(median([4, 1, 2, 100])).toBe(3);
    expect(median([])).toBeUndefined();
  });

  test('tells by how much a method is off, and which way', () => {
    const trips = recordedTrips(steady('a', 10), 5);
    const [all] = measure(off(-30), trips);
    expect(all).toMatchObject({ estimates: 120, seconds: 30, leanSeconds: -30 });
    expect(all?.distancePercent).toBeCloseTo(25);
    expect(measure(off(0), trips)[0]).toMatchObject({ seconds: 0, percent: 0 });
  });

  test('every estimate is in the band of the time that was really left', () => {
    const results = measure(off(60), recordedTrips(steady('a', 10), 1));
    expect(Object.fromEntries(results.map((result, i) => [bands[i]?.name, result.estimates]))).toEqual({
      all: 599,
      '0-1 min': 60,
      '1-3 min': 120,
      '3-5 min': 120,
      '5+ min': 299,
    });
    // 60 s of the 240 s in the middle of the band.
    expect(results[3]?.percent).toBeCloseTo(25, 0);
  });

  test('a band without an estimate has no accuracy', () => {
    expect(measure(off(60), recordedTrips(steady('a', 10, 50), 5))[4]).toMatchObject({
      estimates: 0,
      seconds: undefined,
    });
  });
});

describe('the methods', () => {
  const [fastTrip, slowTrip] = recordedTrips([...steady('fast', 16), ...steady('slow', 4)], 5);

  test.each([fastTrip, slowTrip])('own smoothing finds out how fast a driver is', (trip) => {
    if (trip === undefined) throw new Error('no trip');
    const [all] = measure(ownMethod(1), [trip]);
    expect(all?.percent).toBeLessThan(15);
    expect(all?.distancePercent).toBeLessThan(1);
  });

  test('one speed for all is wrong for most', () => {
    for (const method of baselines(1).slice(1)) {
      const errors = [fastTrip, slowTrip].map((trip) => (trip && measure(method, [trip])[0]?.percent) ?? 0);
      expect(Math.max(...errors)).toBeGreaterThan(40);
    }
  });

  test('a trip does not know of the one before', () => {
    if (fastTrip === undefined || slowTrip === undefined) throw new Error('no trip');
    const method = ownMethod(1);
    const alone = measure(method, [slowTrip]);
    measure(method, [fastTrip]);
    expect(measure(method, [slowTrip])).toEqual(alone);
  });
});

describe('from a file to the report', () => {
  test('a line for each method, for all tracks and for each half', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'eta-'));
    try {
      const file = join(folder, 'tracks.csv');
      const rows = [...steady('a', 10), ...steady('b', 5)].map(
        (p) => `${p.track},${p.timeMs / 1000},${p.latitude},${p.longitude},${(p.speed ?? 0) * 3.6}`,
      );
      await writeFile(file, ['vehicle_id,time,lat,lon,velocity', ...rows].join('\n'));
      const options = parseOptions([file, '--speed-unit', 'kmh', '--detour', '1']);
      if (options === undefined) throw new Error('no options');
      const { points } = await readTrack(file, options);
      const lines = reportLines(recordedTrips(points, options.everySeconds), options.detourFactor);
      expect(lines[0]).toContain('2 tracks');
      expect(lines.filter((line) => line.includes('Fleetcast: the driver'))).toHaveLength(3);
      expect(lines.filter((line) => line.includes('always 18 km/h'))).toEqual([
        expect.stringMatching(/always 18 km\/h +\d+ s, +\d+ %/),
        expect.stringMatching(/ \d\d\d s, 100 %/),
        // b drives 18 km/h
        expect.stringMatching(/ 2 s, +\d %/),
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('the command line', () => {
  test('a file is enough', () => {
    expect(parseOptions(['tracks.csv'])).toEqual({
      file: 'tracks.csv',
      columns: undefined,
      speedUnit: 'ms',
      limit: undefined,
      everySeconds: 5,
      detourFactor: 1.2,
    });
  });

  test.each([
    [[], /missing required argument/],
    [['f', '--every', '-1'], /--every/],
    [['f', '--every', ''], /--every/],
    [['f', '--detour', '0.9'], /--detour/],
    [['f', '--detour', 'far'], /--detour/],
    [['f', '--limit', '0'], /--limit/],
    [['f', '--speed-unit', 'furlongs'], /--speed-unit/],
    [['f', '--columns', 'lat=north'], /--columns/],
    [['f', '--url', 'mqtt://x'], /unknown option/],
  ])('%j is refused', (argv, problem) => {
    expect(() => parseOptions(argv)).toThrow(UsageError);
    expect(() => parseOptions(argv)).toThrow(problem);
  });
});
