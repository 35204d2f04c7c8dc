import { beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Addresses } from '../../broker/guard/addresses.ts';
import { Flapping } from '../../broker/guard/flapping.ts';
import { Meter } from '../../broker/guard/meter.ts';
import { networkOf } from '../../broker/guard/network.ts';
import { Silent } from '../../broker/guard/silent.ts';
import { createLogger } from '../../shared/telemetry/log.ts';

const log = createLogger('silent');
const MINUTE = 60_000;
let now: number;

beforeEach(() => {
  now = 1_000_000;
});

describe('a meter', () => {
  test('takes a minute of it at once, and then as it leaks', () => {
    const meter = new Meter();
    for (let count = 0; count < 60; count++) expect(meter.add(now, 60)).toBe(false);
    expect(meter.add(now, 60)).toBe(true);
    expect(meter.add(now + 1000, 60)).toBe(true);
    expect(meter.add(now + 3000, 60)).toBe(false);
  });

  test('is never over what keeps to the rate, whatever it was before', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.array(fc.integer({ min: 0, max: 5000 })),
        (perMinute, pauses) => {
          const meter = new Meter();
          let at = now;
          for (const pause of pauses) {
            at += MINUTE / perMinute + pause;
            if (meter.add(at, perMinute)) return false;
          }
          return true;
        },
      ),
    );
  });

  test('does not mind a clock that goes back', () => {
    const meter = new Meter();
    expect(meter.add(now, 1)).toBe(false);
    expect(meter.add(now - 10 * MINUTE, 1)).toBe(true);
    expect(meter.add(now - 8 * MINUTE, 1)).toBe(false);
  });
});

describe('an address', () => {
  test.each([
    ['198.51.100.7', '198.51.100.7', false],
    ['::ffff:198.51.100.7', '198.51.100.7', false],
    ['127.0.0.1', '127.0.0.1', true],
    ['127.9.9.9', '127.9.9.9', true],
    ['::ffff:127.0.0.1', '127.0.0.1', true],
    ['::1', '::/64', true],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64', false],
    ['2001:db8:1:2:ffff::', '2001:db8:1:2::/64', false],
    ['fe80::1%eth0', 'fe80::/64', false],
  ])('%s counts as %s', (address, key, isLoopback) => {
    expect(networkOf(address)).toEqual({ key, isLoopback });
  });

  test.each(['', 'unknown', '_hidden', '300.1.1.1', '1.2.3.4:80', 'localhost'])('%s is none', (text) => {
    expect(networkOf(text)).toBeUndefined();
  });
});

describe('an address that fails', () => {
  const limits = { failuresPerMinute: 10, addressHoldOffMs: 5000 };
  let addresses: Addresses;
  beforeEach(() => {
    addresses = new Addresses(limits, log);
  });
  const fail = (times: number, key = 'a') => {
    for (let count = 0; count < times; count++) addresses.failed(key, now);
    return addresses.isHeldOff(key, now);
  };

  test('is held off for a while, and alone', () => {
    expect(fail(10)).toBe(false);
    expect(fail(1)).toBe(true);
    expect(addresses.isHeldOff('b', now)).toBe(false);
    // What it goes on with makes it no longer
    now += 4999;
    expect(fail(100)).toBe(true);
    now += 1;
    expect(addresses.isHeldOff('a', now)).toBe(false);
    expect(fail(10)).toBe(false);
    expect(fail(1)).toBe(true);
  });

  test('may fail once more for each client that is logged in from it', () => {
    for (let count = 0; count < 4; count++) addresses.opened('a');
    expect(fail(50)).toBe(false);
    expect(fail(1)).toBe(true);
    now += 5000;
    for (let count = 0; count < 4; count++) addresses.closed('a');
    expect(fail(11)).toBe(true);
  });

  test('is not held off for failures that come slowly', () => {
    for (let count = 0; count < 1000; count++) {
      now += 6000;
      expect(fail(1)).toBe(false);
    }
  });

  test('is never held off where there is no limit', () => {
    addresses = new Addresses({ ...limits, failuresPerMinute: 0 }, log);
    expect(fail(10_000)).toBe(false);
  });
});

describe('a user that comes and goes', () => {
  const limits = { flappingLoginsPerMinute: 100, flappingTakeoversPerMinute: 30, flappingHoldOffMs: 5000 };
  let flapping: Flapping;
  beforeEach(() => {
    flapping = new Flapping(limits, log);
  });
  /** Is it held off at the end? */
  const drop = (times: number, everyMs: number, wasTakenOver: boolean, sub = 'ann') => {
    for (let count = 0; count < times; count++) {
      now += everyMs;
      flapping.ended(sub, wasTakenOver, now);
    }
    return flapping.isHeldOff(sub, now);
  };

  test('over and over is held off for a while, and alone', () => {
    expect(drop(100, 1, false)).toBe(false);
    expect(drop(1, 1, false)).toBe(true);
    expect(flapping.isHeldOff('bob', now)).toBe(false);
    now += 5000;
    expect(flapping.isHeldOff('ann', now)).toBe(false);
  });

  test('is held off sooner where two devices throw each other out', () => {
    // Each comes back after a second
    expect(drop(39, 500, true)).toBe(false);
    expect(drop(1, 500, true)).toBe(true);
  });

  test('is not held off for a bad network: back every three seconds, its old connection still there', () => {
    expect(drop(400, 3000, true)).toBe(false);
  });

  test('is not held off for a message a second over a connection of its own', () => {
    expect(drop(10_000, 1000, false)).toBe(false);
  });

  test('is not held off for what others do', () => {
    for (let user = 0; user < 10_000; user++) {
      expect(drop(2, 0, user % 2 === 0, `user-${user}`)).toBe(false);
    }
  });

  test('is never held off where there is no limit', () => {
    flapping = new Flapping({ ...limits, flappingLoginsPerMinute: 0, flappingTakeoversPerMinute: 0 }, log);
    expect(drop(10_000, 0, true)).toBe(false);
  });
});

describe('silent connections', () => {
  test('give way to newer ones, the oldest first, of an address and of all', () => {
    const silent = new Silent<number>(5, 2);
    expect(silent.add(1, 'a')).toBeUndefined();
    expect(silent.add(2, 'a')).toBeUndefined();
    expect(silent.add(3, 'b')).toBeUndefined();
    expect(silent.add(4, 'a')).toBe(1);
    expect(silent.remove(1, 'a')).toBe(true);
    expect(silent.remove(1, 'a')).toBe(false);
    expect(silent.add(5, undefined)).toBeUndefined();
    expect(silent.add(6, 'c')).toBeUndefined();
    expect(silent.add(7, 'd')).toBe(2);
  });

  test('are never more than there may be, and the newest stays', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b', 'c', undefined)), (keys) => {
        const silent = new Silent<number>(7, 3);
        const open = new Map<number, string | undefined>();
        keys.forEach((key, connection) => {
          open.set(connection, key);
          const goes = silent.add(connection, key);
          if (goes !== undefined) {
            expect(goes).not.toBe(connection);
            expect(silent.remove(goes, open.get(goes))).toBe(true);
            open.delete(goes);
          }
          expect(open.size).toBeLessThanOrEqual(7);
          for (const address of ['a', 'b', 'c'])
            expect([...open.values()].filter((each) => each === address).length).toBeLessThanOrEqual(3);
        });
      }),
    );
  });
});
