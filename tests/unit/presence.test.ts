import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { DriverStatus } from '../../shared/schemas/driver-status.ts';
import { GRACE_MS, presenceOfBob, STALE_MS } from '../support/presence-of-bob.ts';

let bob: ReturnType<typeof presenceOfBob>;

beforeEach(() => {
  jest.useFakeTimers();
  bob = presenceOfBob();
});
afterEach(() => {
  bob.presence.stop();
  jest.useRealTimers();
});

const wait = (milliseconds: number) => jest.advanceTimersByTimeAsync(milliseconds);

/** What everybody is told, and what is stored, say the same. */
const expectStatus = (status: DriverStatus) => expect(bob.now()).toEqual({ told: status, stored: status });

describe('a driver', () => {
  test('is what it says of itself', async () => {
    for (const status of ['ONLINE', 'BUSY', 'OFFLINE', 'ONLINE'] as const) {
      expect(await bob.report(status)).toBe(status);
      expectStatus(status);
    }
  });

  test('who sends positions and never said anything is ONLINE', async () => {
    bob.presence.seen('bob', Date.now());
    await wait(0);
    expectStatus('ONLINE');
  });

  test('who said OFFLINE stays OFFLINE though it sends positions', async () => {
    await bob.report('OFFLINE');
    bob.presence.seen('bob', Date.now());
    await wait(0);
    expectStatus('OFFLINE');
  });

  test('who only listens is nothing at all', async () => {
    bob.presence.connected('bob');
    bob.presence.disconnected('bob');
    await wait(GRACE_MS * 2);
    expect([bob.published, bob.stored.status]).toEqual([[], undefined]);
  });

  test('who is named in a booking and was never heard of is nothing at all', async () => {
    bob.presence.setOnTrip('bob', false);
    await wait(STALE_MS * 2);
    expect([bob.published, bob.stored.status]).toEqual([[], undefined]);
  });
});

describe('a connection that is lost', () => {
  beforeEach(async () => {
    bob.presence.connected('bob');
    await bob.report('BUSY');
  });

  test('makes it OFFLINE after the grace time, and what it said counts again when it is back', async () => {
    bob.presence.disconnected('bob');
    await wait(GRACE_MS - 1);
    expectStatus('BUSY');
    await wait(1);
    expectStatus('OFFLINE');
    bob.presence.connected('bob');
    await wait(0);
    expectStatus('BUSY');
  });

  test('is forgotten when it is back within the grace time', async () => {
    bob.presence.disconnected('bob');
    await wait(GRACE_MS - 1);
    bob.presence.connected('bob');
    await wait(GRACE_MS * 10);
    expect(bob.published).toEqual(['BUSY']);
  });

  test('counts only when it was the last one', async () => {
    bob.presence.connected('bob');
    bob.presence.disconnected('bob');
    await wait(GRACE_MS * 10);
    expect(bob.published).toEqual(['BUSY']);
    bob.presence.disconnected('bob');
    await wait(GRACE_MS);
    expectStatus('OFFLINE');
  });

  test('does not count when the driver has been heard of by another way since', async () => {
    bob.presence.disconnected('bob');
    await wait(GRACE_MS / 2);
    bob.presence.seen('bob', Date.now());
    await wait(GRACE_MS);
    expect(bob.published).toEqual(['BUSY']);
    await wait(STALE_MS + 60_000);
    expectStatus('OFFLINE');
  });

  test('with a last will makes it OFFLINE at once, and a position brings it back', async () => {
    await bob.presence.lastWill('bob', 'OFFLINE', Date.now());
    bob.presence.disconnected('bob');
    expectStatus('OFFLINE');
    bob.presence.seen('bob', Date.now());
    await wait(0);
    expectStatus('BUSY');
  });

  test('with a last will says nothing while there is another connection', async () => {
    bob.presence.connected('bob');
    await bob.presence.lastWill('bob', 'OFFLINE', Date.now());
    bob.presence.disconnected('bob');
    await wait(GRACE_MS * 2);
    expectStatus('BUSY');
  });
});

describe('on a trip', () => {
  test('it is ON_TRIP whatever it says, and then what it said last', async () => {
    await bob.report('ONLINE');
    bob.presence.setOnTrip('bob', true);
    await wait(0);
    expectStatus('ON_TRIP');
    for (const status of ['BUSY', 'OFFLINE', 'BUSY'] as const) {
      expect(await bob.report(status)).toBe('ON_TRIP');
      expectStatus('ON_TRIP');
    }
    bob.presence.setOnTrip('bob', false);
    await wait(0);
    expectStatus('BUSY');
  });

  test('it stays ON_TRIP when its connection is lost, and is OFFLINE afterwards if it did not come back', async () => {
    bob.presence.connected('bob');
    await bob.report('ONLINE');
    bob.presence.setOnTrip('bob', true);
    await bob.presence.lastWill('bob', 'OFFLINE', Date.now());
    bob.presence.disconnected('bob');
    await wait(STALE_MS * 2);
    expectStatus('ON_TRIP');
    bob.presence.setOnTrip('bob', false);
    await wait(0);
    expectStatus('OFFLINE');
  });
});

describe('without a connection', () => {
  test('a driver who said that it is there counts so as long as a position would', async () => {
    await bob.report('ONLINE');
    await wait(STALE_MS - 1000);
    expectStatus('ONLINE');
    await wait(120_000);
    expectStatus('OFFLINE');
  });

  test('each position lets it count longer', async () => {
    await bob.report('ONLINE');
    for (let minute = 0; minute < 20; minute++) {
      bob.presence.seen('bob', Date.now());
      await wait(60_000);
    }
    expect(bob.published).toEqual(['ONLINE']);
    await wait(STALE_MS + 60_000);
    expectStatus('OFFLINE');
  });
});
