import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { PlaceLoss, ReleasePlace } from '../../shared/connections/places.ts';
import { RedisPlaces } from '../../shared/connections/redis-places.ts';
import { untilReady } from '../../shared/redis/connection.ts';
import { createLogger } from '../../shared/telemetry/log.ts';
import { type CuttableProxy, startCuttableProxy } from '../support/cuttable-proxy.ts';
import { BUSY_MS, eventually, newPrefix, testRedis } from '../support/redis.ts';

const LEASE_MS = 1200;
const REFRESH_MS = 160;
const MAX = 3;

let prefix: string;
let ends: (() => Promise<void> | void)[];

beforeEach(() => {
  prefix = newPrefix();
  ends = [];
});
afterEach(async () => {
  for (const end of ends.reverse()) await end();
});

type Process = { places: RedisPlaces; lost: Map<string, PlaceLoss>; crash(): void };

/** What a broker has of the places. */
async function startProcess(
  url?: string,
  times = { leaseMs: LEASE_MS, refreshMs: REFRESH_MS },
): Promise<Process> {
  const redis = testRedis(prefix, url);
  const places = new RedisPlaces({ redis, maxPerDriver: MAX, ...times, log: createLogger('silent') });
  const lost = new Map<string, PlaceLoss>();
  places.onLost((connectionId, loss) => lost.set(connectionId, loss));
  const crash = () => {
    places.stop();
    redis.close();
  };
  ends.push(crash);
  await redis.ready(20_000);
  return { places, lost, crash };
}

const connection = (sub: string, client: string, connectionId: string = randomUUID()) => ({
  sub,
  clientId: `${sub}/${client}`,
  connectionId,
});

const settled = () => new Promise((resolve) => setTimeout(resolve, 300));

test('one hundred that ask three brokers at once get three places, and so again when those are free', async () => {
  const processes = await Promise.all([startProcess(), startProcess(), startProcess()]);
  for (let round = 0; round < 5; round++) {
    const taken = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        processes[index % 3]?.places.take(connection('eve', `c${index}`)),
      ),
    );
    const releases = taken.filter((release): release is ReleasePlace => release !== undefined);
    expect(releases).toHaveLength(MAX);
    for (const release of releases) release();
    await settled();
  }
});

test('one hundred that ask a broker whose Redis goes away at that moment get no more than three', async () => {
  const proxy = await startCuttableProxy(process.env.TEST_REDIS_URL ?? '');
  const { places } = await startProcess(proxy.url);
  const asking = Array.from({ length: 100 }, (_, index) => places.take(connection('eve', `c${index}`)));
  await proxy.cut();
  const taken = await Promise.all(asking);
  expect(taken.filter(Boolean).length).toBeLessThanOrEqual(MAX);
});

test('each driver has its own', async () => {
  const { places } = await startProcess();
  const taken = await Promise.all(
    Array.from({ length: 40 }, (_, index) => places.take(connection(`driver-${index}`, 'phone'))),
  );
  expect(taken).not.toContain(undefined);
});

test('places are held while their broker lives, and free again soon after it has died', async () => {
  const [dying, living] = [await startProcess(), await startProcess()];
  for (const client of ['a', 'b', 'c'])
    expect(await dying.places.take(connection('bob', client))).toBeDefined();
  await new Promise((resolve) => setTimeout(resolve, LEASE_MS * 2));
  expect(await living.places.take(connection('bob', 'd'))).toBeUndefined();
  expect([...dying.lost]).toEqual([]);
  dying.crash();
  const before = Date.now();
  await eventually(() => living.places.take(connection('bob', 'd')), Boolean);
  expect(Date.now() - before).toBeLessThan(LEASE_MS + BUSY_MS);
});

test('the leases end within the time that a crashed broker has', async () => {
  const redis = testRedis(prefix);
  ends.push(() => redis.close());
  const places = new RedisPlaces({ redis, maxPerDriver: MAX, log: createLogger('silent') });
  ends.push(() => places.stop());
  const reader = redis.connect('reader');
  await untilReady(reader, 5000);
  await eventually(() => places.take(connection('bob', 'a')), Boolean);
  const keys = await eventually(
    () => reader.keys(`${prefix}*places:bob`),
    (found) => found.length > 0,
  );
  const left = await reader.pttl(keys[0] ?? '');
  expect(left).toBeGreaterThan(16_000);
  expect(left).toBeLessThanOrEqual(30_000);
});

describe('the client id of another connection', () => {
  test('is taken over on another broker without a place more, and whoever missed that is told', async () => {
    const [one, two] = [await startProcess(), await startProcess()];
    const old = connection('bob', 'phone');
    const release = await one.places.take(old);
    for (const client of ['b', 'c']) await one.places.take(connection('bob', client));
    expect(await two.places.take(connection('bob', 'phone'))).toBeDefined();
    await eventually(
      () => one.lost.get(old.connectionId),
      (loss) => loss === 'TAKEN_OVER',
    );
    // It has nothing to give back any more
    release?.();
    await settled();
    expect(await one.places.take(connection('bob', 'd'))).toBeUndefined();
    expect([two.lost.size, one.lost.size]).toEqual([0, 1]);
  });

  test('is taken back and forth: one holds it in the end', async () => {
    const processes = [await startProcess(), await startProcess()];
    const asked = Array.from({ length: 20 }, () => connection('bob', 'phone'));
    await Promise.all(asked.map((one, index) => processes[index % 2]?.places.take(one)));
    await eventually(
      () => processes.reduce((sum, { lost }) => sum + lost.size, 0),
      (sum) => sum === 19,
    );
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MS * 3));
    expect(processes.reduce((sum, { lost }) => sum + lost.size, 0)).toBe(19);
  });
});

describe('while Redis is away', () => {
  let proxies: CuttableProxy[];
  let processes: Process[];

  beforeEach(async () => {
    const url = process.env.TEST_REDIS_URL ?? '';
    proxies = await Promise.all([startCuttableProxy(url), startCuttableProxy(url)]);
    ends.push(async () => {
      for (const proxy of proxies) await proxy.cut();
    });
    processes = await Promise.all(
      proxies.map((proxy) => startProcess(proxy.url, { leaseMs: 5000, refreshMs: 160 })),
    );
  });
  const eachProxy = (step: 'cut' | 'restore') => Promise.all(proxies.map((proxy) => proxy[step]()));
  const [first, second] = [0, 1].map((index) => () => processes[index] as Process) as [
    () => Process,
    () => Process,
  ];

  test('each broker lets in what it knows to be below the limit; too many in all are told so once it is back', async () => {
    await first().places.take(connection('bob', 'before'));
    await eachProxy('cut');
    const before = Date.now();
    const taken = [];
    for (const client of ['a', 'b', 'c']) taken.push(await first().places.take(connection('bob', client)));
    for (const client of ['d', 'e', 'f', 'g'])
      taken.push(await second().places.take(connection('bob', client)));
    expect(taken.map(Boolean)).toEqual([true, true, false, true, true, true, false]);
    expect(Date.now() - before).toBeLessThan(4500 + BUSY_MS);
    await eachProxy('restore');
    const lost = await eventually(
      () => [...first().lost.values(), ...second().lost.values()],
      ({ length }) => length >= 3,
    );
    expect(lost).toEqual(Array.from({ length: 3 }, () => 'CONNECTION_LIMIT'));
    expect(await second().places.take(connection('bob', 'h'))).toBeUndefined();
  });

  test('a place given back meanwhile is free afterwards; a client id taken over meanwhile has one connection', async () => {
    const releases = [];
    for (const client of ['a', 'b']) releases.push(await first().places.take(connection('bob', client)));
    const phone = connection('bob', 'phone');
    await first().places.take(phone);
    await eachProxy('cut');
    for (const release of releases) release?.();
    const newer = connection('bob', 'phone');
    expect(await second().places.take(newer)).toBeDefined();
    await eachProxy('restore');
    await eventually(
      () => first().lost.get(phone.connectionId),
      (loss) => loss === 'TAKEN_OVER',
    );
    expect(second().lost.size).toBe(0);
    const taken = await Promise.all(
      ['c', 'd', 'e'].map((client) => second().places.take(connection('bob', client))),
    );
    expect(taken.map(Boolean)).toEqual([true, true, false]);
  });

  test('a Redis that comes back empty learns who is there', async () => {
    for (const client of ['a', 'b', 'c']) await first().places.take(connection('bob', client));
    const redis = testRedis(prefix);
    ends.push(() => redis.close());
    const admin = redis.connect('admin');
    await untilReady(admin, 5000);
    for (const key of await admin.keys(`${prefix}*`)) await admin.del(key);
    await eventually(
      () => admin.keys(`${prefix}*places:bob`),
      (keys) => keys.length === 1,
    );
    await settled();
    expect(await second().places.take(connection('bob', 'd'))).toBeUndefined();
    expect(first().lost.size).toBe(0);
  });
});
