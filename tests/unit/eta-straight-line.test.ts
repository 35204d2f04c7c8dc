import { describe, expect, test } from '@jest/globals';
import { createStraightLineEta } from '../../shared/eta/straight-line.ts';

/** 10 km north of `target`: 10,000 m / 111,195.08 m a degree. */
const target = { latitude: 37.9, longitude: 23.73 };
const from = { latitude: 37.9 + 10_000 / 111_195.0802, longitude: 23.73 };
const trip = { tripId: 'trip-1', driverId: 'driver-1', from, to: target };

/** What is said of a driver of whom nothing is known: 10 km by a factor of 1.2, at 3 m/s. */
const unknown = { meters: 12_000, seconds: 4_000 };

function started() {
  const eta = createStraightLineEta({ detourFactor: 1.2 });
  const drive = (driverId: string, speed: number, seconds = 600) => {
    for (let at = 0; at <= seconds; at += 5) eta.observe(driverId, { ...from, recordedAt: at * 1000, speed });
  };
  return { eta, drive };
}

test('the way is the straight line times the detour factor', () => {
  for (const [detourFactor, meters] of [
    [1, 10_000],
    [1.3, 13_000],
  ] as const)
    expect(createStraightLineEta({ detourFactor }).estimate(trip).meters).toBe(meters);
});

test('a driver of whom nothing is known drives like one in the city', () => {
  expect(started().eta.estimate(trip)).toEqual(unknown);
});

test('the time is that way at the own speed of the driver', () => {
  const { eta, drive } = started();
  drive('driver-1', 20);
  drive('driver-2', 4);
  const fast = eta.estimate(trip);
  const slow = eta.estimate({ ...trip, driverId: 'driver-2' });
  expect(fast.meters).toBe(slow.meters);
  expect(fast.seconds).toBeGreaterThan(12_000 / 20);
  expect(fast.seconds).toBeLessThan(12_000 / 17);
  expect(slow.seconds).toBeGreaterThan(12_000 / 4);
  expect(slow.seconds).toBeLessThan(12_000 / 3.7);
});

test('half the way takes half the time', () => {
  const { eta, drive } = started();
  drive('driver-1', 10);
  const whole = eta.estimate(trip);
  const half = eta.estimate({
    ...trip,
    from: { latitude: (from.latitude + target.latitude) / 2, longitude: 23.73 },
  });
  expect(half.meters).toBe(6_000);
  expect(Math.abs(half.seconds - whole.seconds / 2)).toBeLessThanOrEqual(1);
});

test('at the target nothing is left', () => {
  expect(started().eta.estimate({ ...trip, from: target })).toEqual({ seconds: 0, meters: 0 });
});

test('seconds and metres are whole numbers', () => {
  const { eta, drive } = started();
  drive('driver-1', 7.77);
  const { seconds, meters } = eta.estimate({ ...trip, from: { latitude: 37.951_234, longitude: 23.7654 } });
  expect([Number.isInteger(seconds), Number.isInteger(meters)]).toEqual([true, true]);
});

test('a red light is not the end of the day: 10 km never take two hours', () => {
  const { eta, drive } = started();
  drive('driver-1', 0, 1_200);
  expect(eta.estimate(trip).seconds).toBeLessThanOrEqual(6_000);
});

describe('nothing is kept for ever', () => {
  test('after the trip, nothing of how its driver drove', () => {
    const { eta, drive } = started();
    drive('driver-1', 20);
    drive('driver-2', 20);
    eta.forget('trip-1', 'driver-1');
    expect(eta.estimate(trip)).toEqual(unknown);
    expect(eta.estimate({ ...trip, driverId: 'driver-2' })).not.toEqual(unknown);
  });

  test('after the stop', () => {
    const { eta, drive } = started();
    drive('driver-1', 20);
    eta.stop();
    expect(eta.estimate(trip)).toEqual(unknown);
  });

  test('a driver whose trip never ends makes room for others, one who drives on does not', () => {
    const { eta, drive } = started();
    drive('gone', 20);
    drive('driver-1', 20);
    for (let other = 0; other < 100_000; other++) {
      eta.observe(`other-${other}`, { ...from, recordedAt: 0, speed: 20 });
      if (other % 1_000 === 0) eta.observe('driver-1', { ...from, recordedAt: 600_000 + other, speed: 20 });
    }
    expect(eta.estimate({ ...trip, driverId: 'gone' })).toEqual(unknown);
    expect(eta.estimate(trip)).not.toEqual(unknown);
  });
});
