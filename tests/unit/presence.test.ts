import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Message, Publisher } from '../../shared/messages/publisher.ts';
import { Presence } from '../../shared/presence/presence.ts';
import type { DriverStatus } from '../../shared/schemas/driver-status.ts';
import { createLogger } from '../../shared/telemetry/log.ts';

const GRACE_MS = 1000;
const STALE_MS = 300_000;

/** What the database holds: as the statement has it, an older time changes nothing. */
class Stored {
  status: DriverStatus | undefined;
  at = Number.NEGATIVE_INFINITY;
  saves = 0;
  away = false;

  save(status: DriverStatus, at: number): void {
    if (this.away) throw new Error('the database is away');
    this.saves++;
    if (at < this.at) return;
    this.status = status;
    this.at = at;
  }
}

let stored: Stored;
let published: DriverStatus[];
let presence: Presence;

function start(): Presence {
  const publisher: Publisher = {
    stream() {
      throw new Error('statuses are no stream');
    },
    async notify({ topic, payload, retain }: Message) {
      expect([topic, retain]).toEqual(['drivers/bob/status', true]);
      published.push((JSON.parse(payload.toString()) as { status: DriverStatus }).status);
    },
  };
  return new Presence({
    publisher,
    save: async (_driverId, status, at) => stored.save(status, at),
    graceMs: GRACE_MS,
    staleAfterMs: STALE_MS,
    log: createLogger('silent'),
  });
}

beforeEach(() => {
  jest.useFakeTimers();
  stored = new Stored();
  published = [];
  presence = start();
});
afterEach(() => {
  presence.stop();
  jest.useRealTimers();
});

const wait = (milliseconds: number) => jest.advanceTimersByTimeAsync(milliseconds);
const report = (status: 'ONLINE' | 'BUSY' | 'OFFLINE') => presence.report('bob', status, Date.now());

/** What everybody is told, and what is stored, say the same. */
function expectStatus(status: DriverStatus): void {
  expect({ told: published.at(-1), stored: stored.status }).toEqual({ told: status, stored: status });
}

describe('a driver', () => {
  test('is what it says of itself', async () => {
    for (const status of ['ONLINE', 'BUSY', 'OFFLINE', 'ONLINE'] as const) {
      expect(await report(status)).toBe(status);
      expectStatus(status);
    }
  });

  test('who sends positions and never said anything is ONLINE', async () => {
    presence.seen('bob', Date.now());
    await wait(0);
    expectStatus('ONLINE');
  });

  test('who said OFFLINE stays OFFLINE though it sends positions', async () => {
    await report('OFFLINE');
    presence.seen('bob', Date.now());
    await wait(0);
    expectStatus('OFFLINE');
  });

  test('who only listens is nothing at all', async () => {
    presence.connected('bob');
    presence.disconnected('bob');
    await wait(GRACE_MS * 2);
    expect([published, stored.status]).toEqual([[], undefined]);
  });

  test('who is named in a booking and was never heard of is nothing at all', async () => {
    presence.setOnTrip('bob', false);
    await wait(STALE_MS * 2);
    expect([published, stored.status]).toEqual([[], undefined]);
  });
});

describe('a connection that is lost', () => {
  beforeEach(async () => {
    presence.connected('bob');
    await report('BUSY');
  });

  test('makes it OFFLINE after the grace time, and what it said counts again when it is back', async () => {
    presence.disconnected('bob');
    await wait(GRACE_MS - 1);
    expectStatus('BUSY');
    await wait(1);
    expectStatus('OFFLINE');
    presence.connected('bob');
    await wait(0);
    expectStatus('BUSY');
  });

  test('is forgotten when it is back within the grace time', async () => {
    presence.disconnected('bob');
    await wait(GRACE_MS - 1);
    presence.connected('bob');
    await wait(GRACE_MS * 10);
    expect(published).toEqual(['BUSY']);
  });

  test('counts only when it was the last one', async () => {
    presence.connected('bob');
    presence.disconnected('bob');
    await wait(GRACE_MS * 10);
    expect(published).toEqual(['BUSY']);
    presence.disconnected('bob');
    await wait(GRACE_MS);
    expectStatus('OFFLINE');
  });

  test('does not count when the driver has been heard of by another way since', async () => {
    presence.disconnected('bob');
    await wait(GRACE_MS / 2);
    presence.seen('bob', Date.now());
    await wait(GRACE_MS);
    expect(published).toEqual(['BUSY']);
    await wait(STALE_MS + 60_000);
    expectStatus('OFFLINE');
  });

  test('with a last will makes it OFFLINE at once, and a position brings it back', async () => {
    await presence.lastWill('bob', 'OFFLINE', Date.now());
    presence.disconnected('bob');
    expectStatus('OFFLINE');
    presence.seen('bob', Date.now());
    await wait(0);
    expectStatus('BUSY');
  });

  test('with a last will says nothing while there is another connection', async () => {
    presence.connected('bob');
    await presence.lastWill('bob', 'OFFLINE', Date.now());
    presence.disconnected('bob');
    await wait(GRACE_MS * 2);
    expectStatus('BUSY');
  });
});

describe('on a trip', () => {
  test('it is ON_TRIP whatever it says, and then what it said last', async () => {
    await report('ONLINE');
    presence.setOnTrip('bob', true);
    await wait(0);
    expectStatus('ON_TRIP');
    for (const status of ['BUSY', 'OFFLINE', 'BUSY'] as const) {
      expect(await report(status)).toBe('ON_TRIP');
      expectStatus('ON_TRIP');
    }
    presence.setOnTrip('bob', false);
    await wait(0);
    expectStatus('BUSY');
  });

  test('it stays ON_TRIP when its connection is lost, and is OFFLINE afterwards if it did not come back', async () => {
    presence.connected('bob');
    await report('ONLINE');
    presence.setOnTrip('bob', true);
    await presence.lastWill('bob', 'OFFLINE', Date.now());
    presence.disconnected('bob');
    await wait(STALE_MS * 2);
    expectStatus('ON_TRIP');
    presence.setOnTrip('bob', false);
    await wait(0);
    expectStatus('OFFLINE');
  });
});

describe('without a connection', () => {
  test('a driver who said that it is there counts so as long as a position would', async () => {
    await report('ONLINE');
    await wait(STALE_MS - 1000);
    expectStatus('ONLINE');
    await wait(120_000);
    expectStatus('OFFLINE');
  });

  test('each position lets it count longer', async () => {
    await report('ONLINE');
    for (let minute = 0; minute < 20; minute++) {
      presence.seen('bob', Date.now());
      await wait(60_000);
    }
    expect(published).toEqual(['ONLINE']);
    await wait(STALE_MS + 60_000);
    expectStatus('OFFLINE');
  });
});

describe('changes that overtake each other', () => {
  test('a status that waited while its driver’s trip ended is stored as it is told', async () => {
    presence.setOnTrip('bob', true);
    await wait(10);
    const received = Date.now();
    await wait(10);
    presence.setOnTrip('bob', false);
    await wait(10);
    await presence.report('bob', 'BUSY', received);
    expectStatus('BUSY');
  });

  test('a status right after a first position is stored, though the row may be newer than the message', async () => {
    const received = Date.now();
    await wait(5);
    stored.save('ONLINE', Date.now());
    await presence.report('bob', 'BUSY', received);
    expectStatus('BUSY');
  });
});

describe('while the database is away', () => {
  test('a status message fails, so that it can be sent again', async () => {
    stored.away = true;
    await expect(report('BUSY')).rejects.toThrow('away');
    expect(published).toEqual([]);
    stored.away = false;
    await report('BUSY');
    expectStatus('BUSY');
  });

  test('what nobody sends again is stored and told once it is back', async () => {
    presence.connected('bob');
    await report('ONLINE');
    stored.away = true;
    presence.disconnected('bob');
    await wait(GRACE_MS + 10_000);
    expect(published).toEqual(['ONLINE']);
    stored.away = false;
    await wait(10_000);
    expectStatus('OFFLINE');
    const { saves } = stored;
    await wait(60_000);
    expect(stored.saves).toBe(saves);
  });
});

describe('after a restart', () => {
  const restored = (status: DriverStatus, onTrip: boolean, seenAt = Date.now()) => {
    stored.status = status;
    return presence.restore([{ driverId: 'bob', status, at: Date.now() - 1000, seenAt, onTrip }]);
  };

  test.each(['ONLINE', 'BUSY'] as const)(
    '%s is told again, and counts while its driver comes back',
    async (status) => {
      await restored(status, false);
      expectStatus(status);
      await wait(GRACE_MS - 1);
      presence.connected('bob');
      await wait(GRACE_MS * 10);
      expect(published).toEqual([status]);
    },
  );

  test('a driver who does not come back within the grace time is OFFLINE', async () => {
    await restored('ONLINE', false);
    await wait(GRACE_MS);
    expectStatus('OFFLINE');
    presence.seen('bob', Date.now());
    await wait(0);
    expectStatus('ONLINE');
  });

  test('OFFLINE is told again', async () => {
    await restored('OFFLINE', false);
    await wait(GRACE_MS * 2);
    expect(published).toEqual(['OFFLINE']);
  });

  test('ON_TRIP lasts to the end of the trip', async () => {
    await restored('ON_TRIP', true);
    presence.setOnTrip('bob', true);
    await wait(STALE_MS * 2);
    expect(published).toEqual(['ON_TRIP']);
    presence.connected('bob');
    presence.setOnTrip('bob', false);
    await wait(0);
    expectStatus('ONLINE');
  });

  test('ON_TRIP of a trip that has ended in the meantime is over', async () => {
    await restored('ON_TRIP', false);
    presence.connected('bob');
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
