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

describe('changes that overtake each other', () => {
  test('a status that waited while its driver’s trip ended is stored as it is told', async () => {
    bob.presence.setOnTrip('bob', true);
    await wait(10);
    const received = Date.now();
    await wait(10);
    bob.presence.setOnTrip('bob', false);
    await wait(10);
    await bob.presence.report('bob', 'BUSY', received);
    expectStatus('BUSY');
  });

  test('a status right after a first position is stored, though the row may be newer than the message', async () => {
    const received = Date.now();
    await wait(5);
    bob.stored.save('ONLINE', Date.now());
    await bob.presence.report('bob', 'BUSY', received);
    expectStatus('BUSY');
  });
});

describe('while the database is away', () => {
  test('a status message fails, so that it can be sent again', async () => {
    bob.stored.away = true;
    await expect(bob.report('BUSY')).rejects.toThrow('away');
    expect(bob.published).toEqual([]);
    bob.stored.away = false;
    await bob.report('BUSY');
    expectStatus('BUSY');
  });

  test('what nobody sends again is stored and told once it is back', async () => {
    bob.presence.connected('bob');
    await bob.report('ONLINE');
    bob.stored.away = true;
    bob.presence.disconnected('bob');
    await wait(GRACE_MS + 10_000);
    expect(bob.published).toEqual(['ONLINE']);
    bob.stored.away = false;
    await wait(10_000);
    expectStatus('OFFLINE');
    const { saves } = bob.stored;
    await wait(60_000);
    expect(bob.stored.saves).toBe(saves);
  });
});

describe('after a restart', () => {
  const restored = (status: DriverStatus, onTrip: boolean, seenAt = Date.now()) => {
    bob.stored.status = status;
    return bob.presence.restore([{ driverId: 'bob', status, at: Date.now() - 1000, seenAt, onTrip }]);
  };

  test.each(['ONLINE', 'BUSY'] as const)(
    '%s is told again, and counts while its driver comes back',
    async (status) => {
      await restored(status, false);
      expectStatus(status);
      await wait(GRACE_MS - 1);
      bob.presence.connected('bob');
      await wait(GRACE_MS * 10);
      expect(bob.published).toEqual([status]);
    },
  );

  test('a driver who does not come back within the grace time is OFFLINE', async () => {
    await restored('ONLINE', false);
    await wait(GRACE_MS);
    expectStatus('OFFLINE');
    bob.presence.seen('bob', Date.now());
    await wait(0);
    expectStatus('ONLINE');
  });

  test('OFFLINE is told again', async () => {
    await restored('OFFLINE', false);
    await wait(GRACE_MS * 2);
    expect(bob.published).toEqual(['OFFLINE']);
  });

  test('ON_TRIP lasts to the end of the trip', async () => {
    await restored('ON_TRIP', true);
    bob.presence.setOnTrip('bob', true);
    await wait(STALE_MS * 2);
    expect(bob.published).toEqual(['ON_TRIP']);
    bob.presence.connected('bob');
    bob.presence.setOnTrip('bob', false);
    await wait(0);
    expectStatus('ONLINE');
  });

  test('ON_TRIP of a trip that has ended in the meantime is over', async () => {
    await restored('ON_TRIP', false);
    bob.presence.connected('bob');
    await wait(0);
    expectStatus('ONLINE');
  });

  test.each(['ONLINE', 'OFFLINE'] as const)(
    '%s of a driver who had just set out is ON_TRIP',
    async (status) => {
      await restored(status, true);
      await wait(0);
      expectStatus('ON_TRIP');
    },
  );
});
