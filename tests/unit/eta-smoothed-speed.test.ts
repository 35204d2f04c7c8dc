import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ObservedPosition } from '../../shared/eta/index.ts';
import { PRIOR_METERS_PER_SECOND, SmoothedSpeed } from '../../shared/eta/smoothed-speed.ts';

const METERS_PER_DEGREE = 111_195.08;
const FLOOR = 2;

/** A vehicle that drives north from the equator. */
class Vehicle {
  meters = 0;
  recordedAt = 1_800_000_000_000;
  private readonly reports: boolean;
  readonly speed: SmoothedSpeed;

  constructor({ reports = true, at = 0 }: { reports?: boolean; at?: number } = {}) {
    this.reports = reports;
    this.speed = new SmoothedSpeed(this.position(at));
  }

  position(speed: number): ObservedPosition {
    return {
      latitude: this.meters / METERS_PER_DEGREE,
      longitude: 0,
      recordedAt: this.recordedAt,
      speed: this.reports ? speed : null,
    };
  }

  /** Drives on for so long at this speed, with a position every so often. */
  drive(speed: number, seconds: number, every = 5): this {
    for (let driven = 0; driven < seconds; driven += every) {
      this.recordedAt += every * 1000;
      this.meters += speed * every;
      this.speed.observe(this.position(speed));
    }
    return this;
  }

  get metersPerSecond(): number {
    return this.speed.metersPerSecond;
  }
}

const minutes = 60;

test('begins with the prior', () => {
  expect(new Vehicle().metersPerSecond).toBe(PRIOR_METERS_PER_SECOND);
});

describe('becomes the own mean of the driver', () => {
  test('half of it within a minute, nearly all within ten', () => {
    const vehicle = new Vehicle({ at: 15 }).drive(15, 1 * minutes);
    expect(vehicle.metersPerSecond).toBeGreaterThan((15 + PRIOR_METERS_PER_SECOND) / 2);
    expect(vehicle.drive(15, 9 * minutes).metersPerSecond).toBeGreaterThan(14);
    expect(vehicle.metersPerSecond).toBeLessThan(15);
  });

  test('stops included: half the time at a light is half the speed', () => {
    const vehicle = new Vehicle();
    for (let block = 0; block < 40; block++) vehicle.drive(12, 30).drive(0, 30);
    expect(vehicle.metersPerSecond).toBeGreaterThan(5);
    expect(vehicle.metersPerSecond).toBeLessThan(7);
  });

  test('follows a change of road', () => {
    const vehicle = new Vehicle().drive(25, 20 * minutes).drive(5, 20 * minutes);
    expect(vehicle.metersPerSecond).toBeGreaterThan(5);
    expect(vehicle.metersPerSecond).toBeLessThan(8);
  });

  test('from the way covered, when the device reports no speed', () => {
    const silent = new Vehicle({ reports: false }).drive(10, 5 * minutes);
    expect(silent.metersPerSecond).toBeCloseTo(
      new Vehicle({ at: 10 }).drive(10, 5 * minutes).metersPerSecond,
    );
  });

  test('from the way covered, when the positions are far apart and the speed is one of a moment', () => {
    const vehicle = new Vehicle();
    for (let minute = 0; minute < 10; minute++) {
      vehicle.drive(0, 1, 1);
      vehicle.meters += 600;
      vehicle.drive(0, 60, 60);
    }
    expect(vehicle.metersPerSecond).toBeGreaterThan(7);
  });
});

describe('the rhythm of the positions does not matter', () => {
  test.each([1, 5, 30, 100, 300])('one every %d s', (every) => {
    const each = new Vehicle({ at: 10 }).drive(10, 300, every).metersPerSecond;
    expect(each).toBeCloseTo(new Vehicle({ at: 10 }).drive(10, 300, 10).metersPerSecond);
  });

  test('at any irregular intervals', () => {
    const intervals = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(intervals, (seconds) => {
        const irregular = new Vehicle({ at: 9 });
        for (const interval of seconds) irregular.drive(9, interval, interval);
        const total = seconds.reduce((sum, interval) => sum + interval, 0);
        const regular = new Vehicle({ at: 9 }).drive(9, total, 1);
        expect(irregular.metersPerSecond).toBeCloseTo(regular.metersPerSecond);
      }),
    );
  });

  test('a position sent twice, and one that comes late, change nothing', () => {
    const vehicle = new Vehicle().drive(10, 60);
    const late = { ...vehicle.position(0), recordedAt: vehicle.recordedAt - 7_000, latitude: 1 };
    const before = vehicle.metersPerSecond;
    for (let again = 0; again < 1_000; again++) vehicle.speed.observe(vehicle.position(0));
    vehicle.speed.observe(late);
    expect(vehicle.metersPerSecond).toBe(before);
    const undisturbed = new Vehicle().drive(10, 65);
    expect(vehicle.drive(10, 5).metersPerSecond).toBe(undisturbed.metersPerSecond);
  });
});

describe('standing', () => {
  test('at a red light leaves the estimate within reason', () => {
    expect(new Vehicle().drive(0, 2 * minutes).metersPerSecond).toBe(FLOOR);
    const driven = new Vehicle().drive(10, 10 * minutes).drive(0, 90);
    expect(driven.metersPerSecond).toBeGreaterThan(7);
  });

  test('longer than any light, for a rider, says nothing about the way', () => {
    const vehicle = new Vehicle().drive(10, 10 * minutes).drive(0, 130);
    const before = vehicle.metersPerSecond;
    expect(vehicle.drive(0, 30 * minutes).metersPerSecond).toBe(before);
    vehicle.drive(10, 5 * minutes);
    expect(vehicle.metersPerSecond).toBeGreaterThan(before);
  });

  test('with a receiver that wanders is not driving, however often it reports', () => {
    const vehicle = new Vehicle({ reports: false });
    for (let second = 0; second < 600; second++) {
      vehicle.meters = second % 2 === 0 ? 3 : 0;
      vehicle.drive(0, 1, 1);
    }
    expect(vehicle.metersPerSecond).toBe(FLOOR);
  });
});

describe('what can not be', () => {
  test('a jump of the receiver is not driving', () => {
    const vehicle = new Vehicle({ reports: false }).drive(10, 5 * minutes);
    const before = vehicle.metersPerSecond;
    vehicle.meters += 50_000;
    vehicle.drive(0, 5);
    expect(vehicle.metersPerSecond).toBe(before);
    expect(vehicle.drive(10, 5).metersPerSecond).toBeCloseTo(before, 0);
  });

  test('a speed that no car has is left out', () => {
    const vehicle = new Vehicle().drive(10, 5 * minutes);
    const before = vehicle.metersPerSecond;
    vehicle.speed.observe({ ...vehicle.position(1e308), recordedAt: vehicle.recordedAt + 5_000 });
    expect(vehicle.metersPerSecond).toBe(before);
  });

  test('whatever comes, it stays between the floor and what a car drives', () => {
    const anything = fc.record({
      latitude: fc.double({ min: -90, max: 90, noNaN: true }),
      longitude: fc.double({ min: -180, max: 180, noNaN: true }),
      recordedAt: fc.integer({ min: 0, max: 5_000_000 }),
      speed: fc.option(fc.double({ min: 0, noNaN: true })),
    });
    fc.assert(
      fc.property(fc.array(anything, { minLength: 1, maxLength: 100 }), (positions) => {
        const speed = new SmoothedSpeed(positions[0] as ObservedPosition);
        for (const position of positions) speed.observe(position);
        expect(speed.metersPerSecond).toBeGreaterThanOrEqual(FLOOR);
        expect(speed.metersPerSecond).toBeLessThanOrEqual(70);
      }),
    );
  });
});

describe('a gap', () => {
  test('of minutes is bridged by the way covered in it', () => {
    const vehicle = new Vehicle({ reports: false }).drive(10, 5 * minutes);
    expect(vehicle.drive(10, 5 * minutes, 5 * minutes).metersPerSecond).toBeGreaterThan(8.9);
  });

  test('of an hour begins anew', () => {
    const vehicle = new Vehicle().drive(20, 10 * minutes);
    vehicle.recordedAt += 3_600_000;
    expect(vehicle.drive(20, 1, 1).metersPerSecond).toBe(PRIOR_METERS_PER_SECOND);
  });
});
