import { describe, expect, test } from '@jest/globals';
import { distance } from '../../tools/simulate/city/geometry.ts';
import { Town } from '../../tools/simulate/city/town.ts';
import { element } from '../../tools/simulate/element.ts';
import { wishesOf } from '../../tools/simulate/people/demand.ts';
import { Driver, type DriverMove, type Job } from '../../tools/simulate/people/driver.ts';
import { createRandom } from '../../tools/simulate/random.ts';

const TICK_S = 1;
const town = new Town('athens', 1, 100);

const wishes = (rider: number, seed: number, count: number, where = town) => {
  const source = wishesOf(rider, where, seed, 800);
  return Array.from({ length: count }, () => source.next().value);
};

const metersOf = ({ pickup, dropoff }: Job) =>
  distance(element(town.map.nodes, pickup), element(town.map.nodes, dropoff));

describe('what riders wish', () => {
  test('is the same for the same seed, in a town built anew, and differs by seed and by rider', () => {
    expect(wishes(3, 1, 20, new Town('athens', 1, 100))).toEqual(wishes(3, 1, 20));
    expect(wishes(3, 2, 20)).not.toEqual(wishes(3, 1, 20));
    expect(wishes(4, 1, 20)).not.toEqual(wishes(3, 1, 20));
  });

  test('begins where the last trip ended, after a rest', () => {
    const list = wishes(1, 1, 50);
    for (const [index, wish] of list.entries()) {
      expect(wish.pickup).not.toBe(wish.dropoff);
      const before = list[index - 1];
      if (before === undefined) continue;
      expect(wish.pickup).toBe(before.dropoff);
      expect(wish.afterSeconds).toBeGreaterThanOrEqual(2);
      expect(wish.afterSeconds).toBeLessThanOrEqual(15);
    }
  });

  test('is short mostly, and of the wanted length in the mean', () => {
    const lengths = Array.from({ length: 60 }, (_, rider) => wishes(rider, 1, 10))
      .flat()
      .map((wish) => metersOf(wish) * 1.3);
    const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
    expect(mean).toBeGreaterThan(650);
    expect(mean).toBeLessThan(950);
    expect(lengths.filter((length) => length < mean).length).toBeGreaterThan(lengths.length / 2);
  });
});

/** Lets time pass until the driver asks for something. @returns the seconds that took */
function untilAsked(driver: Driver, status: DriverMove): number {
  for (let seconds = 0; seconds < 3_600; seconds += TICK_S) {
    if (driver.asks !== undefined) {
      expect(driver.asks).toBe(status);
      return seconds;
    }
    driver.advance(TICK_S);
  }
  throw new Error(`${status} was not asked for within an hour`);
}

const jobs = (count: number): Job[] => {
  const random = createRandom(1, 'jobs');
  return Array.from({ length: count }, () => {
    const pickup = town.anyAddress(random);
    return { pickup, dropoff: town.addressAwayFrom(pickup, 400, random) };
  });
};

describe('a driver', () => {
  test('with a trip asks for each status when it is time for it, at the place where it is', () => {
    const driver = new Driver(1, town, 1);
    driver.advance(30);
    for (const { pickup, dropoff } of jobs(8)) {
      driver.take({ pickup, dropoff });
      expect(driver.asks).toBe('EN_ROUTE');
      driver.confirm('EN_ROUTE');
      untilAsked(driver, 'ARRIVED');
      expect(distance(driver.spot, element(town.map.nodes, pickup))).toBeLessThan(1);
      driver.confirm('ARRIVED');
      const dwell = untilAsked(driver, 'IN_PROGRESS');
      expect(dwell).toBeGreaterThanOrEqual(5);
      expect(dwell).toBeLessThanOrEqual(15 + TICK_S);
      expect(distance(driver.spot, element(town.map.nodes, pickup))).toBeLessThan(1);
      driver.confirm('IN_PROGRESS');
      untilAsked(driver, 'COMPLETED');
      expect(distance(driver.spot, element(town.map.nodes, dropoff))).toBeLessThan(1);
      driver.confirm('COMPLETED');
      expect(driver.asks).toBeUndefined();
    }
  });

  test('lets the rider out for 5 to 15 s before the trip is over', () => {
    const driver = new Driver(2, town, 1);
    const [job] = jobs(1) as [Job];
    driver.take(job);
    for (const status of ['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS'] as const) {
      untilAsked(driver, status);
      driver.confirm(status);
    }
    const there = () => distance(driver.spot, element(town.map.nodes, job.dropoff)) < 0.1;
    let stands = 0;
    while (driver.asks === undefined) {
      driver.advance(TICK_S);
      if (there()) stands += TICK_S;
    }
    expect(stands).toBeGreaterThanOrEqual(5);
    expect(stands).toBeLessThanOrEqual(15 + 2 * TICK_S);
  });

  test('does nothing of a status until the platform says that it holds', () => {
    const driver = new Driver(3, town, 1);
    driver.take(element(jobs(1), 0));
    driver.advance(120);
    const before = driver.spot;
    driver.advance(60);
    expect(driver.spot).toEqual(before);
    expect(driver.asks).toBe('EN_ROUTE');
    driver.confirm('ARRIVED');
    expect(driver.asks).toBe('EN_ROUTE');
    driver.confirm('EN_ROUTE');
    driver.advance(10);
    expect(driver.spot).not.toEqual(before);
  });

  test('that is cruising when a trip comes pulls over', () => {
    const [job] = jobs(1) as [Job];
    const moved: number[] = [];
    for (let index = 0; index < 200; index++) {
      const driver = new Driver(index, town, 1);
      while (driver.fix(TICK_S).speed === 0) driver.advance(TICK_S);
      const before = driver.spot;
      driver.take(job);
      // Nobody confirms EN_ROUTE, so it stays where it stops
      driver.advance(600);
      moved.push(distance(before, driver.spot));
    }
    expect(Math.max(...moved)).toBeLessThan(200);
    expect(Math.max(...moved)).toBeGreaterThan(10);
  });

  test('whose trip is cancelled is free', () => {
    const driver = new Driver(4, town, 1);
    const [first, second] = jobs(2) as [Job, Job];
    driver.take(first);
    driver.confirm('EN_ROUTE');
    driver.advance(20);
    driver.leave();
    expect(driver.asks).toBeUndefined();
    driver.advance(300);
    expect(driver.asks).toBeUndefined();
    driver.take(second);
    driver.confirm('EN_ROUTE');
    untilAsked(driver, 'ARRIVED');
    expect(distance(driver.spot, element(town.map.nodes, second.pickup))).toBeLessThan(1);
  });

  test('without a trip parks at times and cruises at times', () => {
    const driver = new Driver(5, town, 1);
    const speeds = Array.from({ length: 1_800 }, () => {
      driver.advance(TICK_S);
      return driver.fix(TICK_S).speed;
    });
    const standing = speeds.filter((speed) => speed === 0).length / speeds.length;
    expect(standing).toBeGreaterThan(0.2);
    expect(standing).toBeLessThan(0.9);
  });

  test('drives the same for the same seed, however often it is looked at', () => {
    const life = (driver: Driver) => {
      const [job] = jobs(1) as [Job];
      driver.advance(25);
      driver.take(job);
      driver.confirm('EN_ROUTE');
      return Array.from({ length: 120 }, () => {
        driver.advance(TICK_S);
        return { spot: driver.spot, fix: driver.fix(TICK_S) };
      });
    };
    expect(life(new Driver(6, new Town('athens', 1, 100), 1))).toEqual(life(new Driver(6, town, 1)));
    expect(life(new Driver(6, town, 2))).not.toEqual(life(new Driver(6, town, 1)));
  });
});
