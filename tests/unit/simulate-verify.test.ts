import { beforeEach, describe, expect, test } from '@jest/globals';
import { Ledger } from '../../tools/simulate/ledger/ledger.ts';
import { endLeftovers } from '../../tools/simulate/people/leftovers.ts';
import type { Rest, RestAnswer } from '../../tools/simulate/rest.ts';
import { verify } from '../../tools/simulate/verify.ts';

const DRIVER = 'driver-1';
const times = [1_000, 2_000, 3_000, 4_000];

let ledger: Ledger;
let stored: number[];
let trips: Record<string, object>;
let asked: string[];

/** A platform whose answers a test can falsify; pages of two. */
const rest: Rest = {
  async request(_token, method, path, body): Promise<RestAnswer> {
    asked.push(`${method} ${path}${body === undefined ? '' : ` ${JSON.stringify(body)}`}`);
    const { pathname, searchParams } = new URL(path, 'http://platform');
    if (pathname === `/v1/drivers/${DRIVER}/history`) {
      const start = Number(searchParams.get('cursor') ?? 0);
      const items = stored
        .slice(start, start + 2)
        .map((time) => ({ recordedAt: new Date(time).toISOString() }));
      return {
        status: 200,
        body: { items, nextCursor: start + 2 < stored.length ? String(start + 2) : null },
      };
    }
    const trip = trips[pathname.replace('/v1/trips/', '')];
    return trip === undefined
      ? { status: 404, body: { code: 'TRIP_NOT_FOUND' } }
      : { status: 200, body: { ...trip } };
  },
};

const found = () => Object.fromEntries([...ledger.problems].map(({ kind, count }) => [kind, count]));
const verified = () => verify({ ledger, rest, token: 'service' }, 0);

beforeEach(() => {
  ledger = new Ledger();
  const driver = ledger.driver(DRIVER);
  for (const recordedAt of times) {
    const position = { recordedAt, createdAt: recordedAt, sentAt: recordedAt, acknowledged: false };
    ledger.recorded(driver, position, undefined);
    ledger.acknowledged(driver, position, undefined, recordedAt);
  }
  ledger
    .trip('trip-1', 'rider-1')
    .statusSeen(
      { tripId: 'trip-1', status: 'PENDING', previous: null, version: 1, driverId: null },
      'riders',
    );
  stored = [...times];
  trips = { 'trip-1': { status: 'PENDING', version: 1, riderId: 'rider-1' } };
  asked = [];
});

describe('what REST shows is compared with what was sent', () => {
  test('and all is well when both are the same', async () => {
    expect(await verified()).toBe(4);
    expect(found()).toEqual({});
    expect(asked).toContain(
      'GET /v1/drivers/driver-1/history?from=1970-01-01T00:00:01.000Z&to=1970-01-01T00:00:04.000Z&limit=1000&cursor=2',
    );
  });

  test('and finds positions that are lost, stored twice, or nobody sent', async () => {
    stored = [1_000, 1_000, 2_500, 4_000];
    expect(await verified()).toBe(3);
    expect(found()).toEqual({ positionLost: 2, positionDoubled: 1, positionUnknown: 1 });
  });

  test('and takes refused positions for accounted for', async () => {
    stored = [1_000, 4_000];
    ledger.driver(DRIVER).refused = 1;
    await verified();
    expect(found()).toEqual({ positionLost: 1 });
  });

  test('and lets a position be stored that was sent, but not acknowledged', async () => {
    const position = { recordedAt: 5_000, createdAt: 5_000, sentAt: 5_000, acknowledged: false };
    ledger.recorded(ledger.driver(DRIVER), position, undefined);
    stored.push(5_000);
    await verified();
    expect(found()).toEqual({});
  });

  test('and waits for a database that is behind', async () => {
    stored = [];
    const late = verify({ ledger, rest, token: 'service' }, 10_000);
    setTimeout(() => {
      stored = [...times];
    }, 50);
    expect(await late).toBe(4);
    expect(found()).toEqual({});
  });

  test.each([
    ['another status', { status: 'EN_ROUTE', version: 1, riderId: 'rider-1' }],
    ['another version', { status: 'PENDING', version: 2, riderId: 'rider-1' }],
    ['another rider', { status: 'PENDING', version: 1, riderId: 'rider-2' }],
  ])('and finds a trip with %s', async (_what, trip) => {
    trips = { 'trip-1': trip };
    await verified();
    expect(found()).toEqual({ tripWrong: 1 });
  });

  test('and finds a trip that is gone', async () => {
    trips = {};
    await verified();
    expect(found()).toEqual({ requestFailed: 1 });
  });
});

describe('trips that an earlier run left behind', () => {
  const list = (status: string) => [
    { id: `a-${status}`, driverId: 'driver-1', riderId: 'someone' },
    { id: `b-${status}`, driverId: 'someone', riderId: 'rider-1' },
    { id: `c-${status}`, driverId: 'someone', riderId: 'someone' },
  ];
  const office: Rest = {
    async request(_token, method, path) {
      const { pathname, searchParams } = new URL(path, 'http://platform');
      asked.push(`${method} ${pathname}`);
      if (method !== 'GET') return { status: 200, body: {} };
      const items = list(searchParams.get('status') ?? '');
      const second = searchParams.get('cursor') === 'next';
      return {
        status: 200,
        body: { items: second ? items.slice(1) : items.slice(0, 1), nextCursor: second ? null : 'next' },
      };
    },
  };

  test('are cancelled, those of others are left alone', async () => {
    expect(await endLeftovers(office, 'service', new Set(['driver-1', 'rider-1']))).toBe(8);
    const changed = asked.filter((request) => request.startsWith('PATCH'));
    expect(changed.every((request) => /\/[ab]-[A-Z_]+\/status$/.test(request))).toBe(true);
    expect(changed).toContain('PATCH /v1/trips/b-IN_PROGRESS/status');
  });

  test('that can not be listed stop the run', async () => {
    const refusing: Rest = { request: async () => ({ status: 403, body: { code: 'FORBIDDEN' } }) };
    await expect(endLeftovers(refusing, 'service', new Set())).rejects.toThrow('403 FORBIDDEN');
  });
});
