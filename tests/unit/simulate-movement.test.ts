import { describe, expect, test } from '@jest/globals';
import { type CityName, cities, cityNames } from '../../tools/simulate/city/cities.ts';
import { direction, distance, Projection, type Spot } from '../../tools/simulate/city/geometry.ts';
import { buildStreetMap, type StreetMap } from '../../tools/simulate/city/street-map.ts';
import { element } from '../../tools/simulate/element.ts';
import { Receiver } from '../../tools/simulate/movement/receiver.ts';
import { Vehicle } from '../../tools/simulate/movement/vehicle.ts';
import { createRandom } from '../../tools/simulate/random.ts';

const STEP_S = 0.25;

type Moment = { spot: Spot; speed: number; bearing: number };

const maps = Object.fromEntries(cityNames.map((name) => [name, buildStreetMap(cities[name], 1)])) as Record<
  CityName,
  StreetMap
>;

const moment = ({ spot, speed, bearing }: Vehicle): Moment => ({ spot, speed, bearing });

/** Drives from one of the inner addresses to another and notes every step. */
function drive(map: StreetMap, trip: number, onStep?: (vehicle: Vehicle) => void): Moment[] {
  const random = createRandom(trip, 'test');
  const [from, to] = [random.index(400), 400 + random.index(400)].map((index) =>
    element(map.addresses, index),
  ) as [number, number];
  const vehicle = new Vehicle(map, from, random);
  vehicle.driveTo(to);
  const moments = [moment(vehicle)];
  while (vehicle.address === undefined) {
    vehicle.advance(STEP_S);
    onStep?.(vehicle);
    moments.push(moment(vehicle));
    if (moments.length > 20_000) throw new Error(`stuck at ${JSON.stringify(moments.at(-1))}`);
  }
  return moments;
}

const pairs = (moments: readonly Moment[]) =>
  moments.slice(1).map((after, index) => ({ before: element(moments, index), after }));

const apart = (a: number, b: number) => Math.min(Math.abs(a - b), 360 - Math.abs(a - b));

const trips = Array.from({ length: 30 }, (_, index) => index);
const drives = Object.fromEntries(
  cityNames.map((name) => [name, trips.map((trip) => drive(maps[name], trip))]),
) as Record<CityName, Moment[][]>;

describe.each(cityNames)('a car in %s', (name) => {
  test('speeds up by 2 m/s² at most, brakes by 3 m/s² at most, and never goes faster than 14 m/s', () => {
    const tooHard = drives[name].flatMap(pairs).filter(({ before, after }) => {
      const acceleration = (after.speed - before.speed) / STEP_S;
      return acceleration > 2 || acceleration < -3 - 1e-9 || after.speed < 0 || after.speed > 14.1;
    });
    expect(tooHard).toEqual([]);
  });

  test('moves as fast as it says', () => {
    const jumps = drives[name].flatMap(pairs).filter(({ before, after }) => {
      const meters = distance(before.spot, after.spot);
      // A corner is cut by a step; at a stop up to half a metre is given
      return Math.abs(meters - ((before.speed + after.speed) / 2) * STEP_S) > 0.51;
    });
    expect(jumps).toEqual([]);
  });

  test('points where it moves', () => {
    const sliding = drives[name]
      .flatMap(pairs)
      .filter(
        ({ before, after }) =>
          distance(before.spot, after.spot) > 1 &&
          apart(direction(before.spot, after.spot), after.bearing) > 35,
      );
    expect(sliding).toEqual([]);
  });

  test('is slow where it turns', () => {
    const steps = 2 / STEP_S;
    const turns = drives[name].flatMap((moments) =>
      moments.slice(steps).flatMap((after, index) => {
        const before = element(moments, index);
        const meters = distance(before.spot, after.spot);
        return meters > 2 && apart(before.bearing, after.bearing) > 60 ? [meters / 2] : [];
      }),
    );
    expect(turns.length).toBeGreaterThan(20);
    expect(Math.max(...turns)).toBeLessThan(6);
  });

  test('cruises at 8 to 14 m/s on the straight, and differs from drive to drive', () => {
    const tops = drives[name].map((moments) => Math.max(...moments.map(({ speed }) => speed)));
    for (const top of tops) expect(top).toBeGreaterThan(7);
    expect(new Set(tops.map((top) => Math.round(top))).size).toBeGreaterThan(2);
  });

  test('stands at some crossings for 5 to 30 s', () => {
    const waits = drives[name].flatMap((moments) => {
      const runs: number[] = [];
      let standing = 0;
      for (const { speed } of moments.slice(1)) {
        if (speed === 0) standing++;
        else {
          if (standing > 0) runs.push(standing * STEP_S);
          standing = 0;
        }
      }
      return runs;
    });
    expect(waits.length).toBeGreaterThan(trips.length / 2);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(5);
    expect(Math.max(...waits)).toBeLessThanOrEqual(30 + 2 * STEP_S);
  });

  test('takes the same way at the same pace for the same seed', () => {
    expect(drive(maps[name], 3)).toEqual(drives[name][3]);
    expect(drive(maps[name], 4)).not.toEqual(drives[name][3]);
  });
});

test('a car that is to pull over stands at an address soon, without harder braking', () => {
  for (const trip of trips) {
    let steps = 0;
    const moments = drive(maps.athens, trip, (vehicle) => {
      steps++;
      if (steps === 60) vehicle.pullOver();
    });
    const after = moments.slice(60);
    const meters = pairs(after).reduce((sum, pair) => sum + distance(pair.before.spot, pair.after.spot), 0);
    expect(meters).toBeLessThan(250);
    expect(after.at(-1)?.speed).toBe(0);
    const changes = pairs(moments).map(({ before, after: next }) => (next.speed - before.speed) / STEP_S);
    expect(Math.min(...changes)).toBeGreaterThanOrEqual(-3 - 1e-9);
  }
});

test('a car in the middle of a street can not set out for elsewhere', () => {
  const vehicle = new Vehicle(maps.sf, element(maps.sf.addresses, 0), createRandom(1, 'test'));
  vehicle.driveTo(element(maps.sf.addresses, 40));
  vehicle.advance(5);
  expect(() => vehicle.driveTo(element(maps.sf.addresses, 3))).toThrow('pull over first');
});

describe('a receiver', () => {
  const projection = new Projection(cities.athens.centre);
  const map = maps.athens;

  function fixes(seconds: number, count: number, go: boolean) {
    const vehicle = new Vehicle(map, element(map.addresses, 7), createRandom(1, 'test'));
    if (go) vehicle.driveTo(element(map.addresses, 700));
    const receiver = new Receiver(projection, createRandom(1, 'receiver'));
    return Array.from({ length: count }, () => {
      vehicle.advance(seconds);
      const fix = receiver.fix(vehicle, seconds);
      return { fix, off: distance(projection.spot(fix), vehicle.spot), vehicle: moment(vehicle) };
    });
  }

  test('is a few metres off, not more from one second to the next, and says how much', () => {
    const all = fixes(1, 600, false);
    const offs = all.map(({ off }) => off);
    expect(Math.max(...offs)).toBeLessThan(12);
    expect(offs.reduce((sum, off) => sum + off, 0) / offs.length).toBeGreaterThan(0.5);
    for (const [index, { fix, off }] of all.entries()) {
      expect(fix.accuracy).toBeGreaterThan(off);
      const before = all[index - 1];
      if (before === undefined) continue;
      expect(distance(projection.spot(before.fix), projection.spot(fix))).toBeLessThan(2.5);
    }
  });

  test('shows a parked car as standing', () => {
    const all = fixes(1, 50, false);
    expect(new Set(all.map(({ fix }) => fix.bearing)).size).toBe(1);
    for (const { fix } of all) expect(fix.speed).toBe(0);
  });

  test('tells speed and bearing of a position as the contract has them', () => {
    for (const { fix, vehicle } of fixes(1, 120, true)) {
      expect(fix.bearing).toBeGreaterThanOrEqual(0);
      expect(fix.bearing).toBeLessThan(360);
      expect(apart(fix.bearing, vehicle.bearing)).toBeLessThan(5);
      expect(fix.speed).toBeGreaterThanOrEqual(0);
      expect(Math.abs(fix.speed - vehicle.speed)).toBeLessThan(0.5);
    }
  });
});
