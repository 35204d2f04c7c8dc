import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { untilReady } from '../../shared/redis/connection.ts';
import type { DriverStatus, ReportedStatus } from '../../shared/schemas/driver-status.ts';
import { type CuttableProxy, startCuttableProxy } from '../support/cuttable-proxy.ts';
import { PresenceCluster, type TestProcess, times } from '../support/presence-cluster.ts';
import { eventually, testRedis } from '../support/redis.ts';

let cluster: PresenceCluster;
let proxies: CuttableProxy[];
let one: TestProcess;
let two: TestProcess;

beforeEach(async () => {
  cluster = new PresenceCluster();
  const url = process.env.TEST_REDIS_URL ?? '';
  proxies = [await startCuttableProxy(url), await startCuttableProxy(url)];
  [one, two] = [await cluster.process(proxies[0]?.url), await cluster.process(proxies[1]?.url)];
});
afterEach(async () => {
  await cluster.end();
  for (const proxy of proxies) await proxy.cut();
});

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const everywhere = (step: 'cut' | 'restore') => Promise.all(proxies.map((proxy) => proxy[step]()));
const longEnough = () => wait(times.leaseMs + times.graceMs + 200);
const say = ({ presence }: TestProcess, status: ReportedStatus, driverId = 'bob') =>
  presence.report(driverId, status, Date.now());
const becomes = (status: DriverStatus, driverId = 'bob') =>
  eventually(
    () => cluster.of(driverId),
    ({ told, stored }) => told === status && stored === status,
  );
/** Both have seen that Redis is away, or that it is back. */
const noticed = () => wait(1600);

describe('while Redis is away from everybody', () => {
  test('each broker goes on for its drivers: what they say, lost connections, wills', async () => {
    for (const driver of ['speaks', 'lost', 'willed', 'back']) {
      one.presence.connected(driver, driver === 'willed' ? 'OFFLINE' : undefined);
      await say(one, 'ONLINE', driver);
    }
    await everywhere('cut');
    expect(await say(one, 'BUSY', 'speaks')).toBe('BUSY');
    expect(cluster.of('speaks')).toEqual({ told: 'BUSY', stored: 'BUSY' });
    one.presence.disconnected('lost');
    one.presence.disconnected('back');
    await one.presence.lastWill('willed', 'OFFLINE', Date.now());
    one.presence.disconnected('willed', 'OFFLINE');
    expect(cluster.of('willed').told).toBe('OFFLINE');
    one.presence.connected('back');
    await becomes('OFFLINE', 'lost');
    await longEnough();
    expect([cluster.toldOf('back'), cluster.of('speaks').told]).toEqual([['ONLINE'], 'BUSY']);
    await everywhere('restore');
    await noticed();
    await longEnough();
    for (const [driver, status] of [
      ['speaks', 'BUSY'],
      ['lost', 'OFFLINE'],
      ['willed', 'OFFLINE'],
      ['back', 'ONLINE'],
    ] as const)
      await becomes(status, driver);
    // And all of them know it
    two.presence.setOnTrip('speaks', true, 1000);
    await becomes('ON_TRIP', 'speaks');
    two.presence.setOnTrip('speaks', false, 2000);
    await becomes('BUSY', 'speaks');
    two.presence.seen('lost', Date.now());
    await becomes('ONLINE', 'lost');
  });

  test('a driver who went to another broker meanwhile is there afterwards, and what it said there counts', async () => {
    one.presence.connected('bob', 'OFFLINE');
    await say(one, 'ONLINE');
    await everywhere('cut');
    await one.presence.lastWill('bob', 'OFFLINE', Date.now());
    one.presence.disconnected('bob', 'OFFLINE');
    two.presence.connected('bob');
    await wait(10);
    await say(two, 'BUSY');
    await wait(times.graceMs + 100);
    await everywhere('restore');
    await noticed();
    await becomes('BUSY');
    await longEnough();
    expect(cluster.of('bob')).toEqual({ told: 'BUSY', stored: 'BUSY' });
  });

  test('a trip that began and ended meanwhile, heard of by two processes, is over', async () => {
    one.presence.connected('bob');
    await say(one, 'BUSY');
    await everywhere('cut');
    two.presence.setOnTrip('bob', true, 1000);
    one.presence.setOnTrip('bob', false, 2000);
    await everywhere('restore');
    await noticed();
    await becomes('BUSY');
    await longEnough();
    expect(cluster.of('bob').told).toBe('BUSY');
  });

  test('again and again, nothing is lost on the way', async () => {
    one.presence.connected('bob');
    for (let round = 0; round < 4; round++) {
      await everywhere('cut');
      await say(one, round % 2 === 0 ? 'BUSY' : 'ONLINE');
      await wait(round * 300);
      await everywhere('restore');
      await wait(round * 500);
    }
    await noticed();
    await becomes('ONLINE');
    two.presence.setOnTrip('bob', true, 1000);
    await becomes('ON_TRIP');
    one.presence.disconnected('bob');
    two.presence.setOnTrip('bob', false, 2000);
    await becomes('OFFLINE');
  });
});

test('a broker that is cut off alone keeps its drivers, though the others took it for dead', async () => {
  one.presence.connected('bob');
  await say(one, 'BUSY');
  await proxies[0]?.cut();
  await becomes('OFFLINE');
  await proxies[0]?.restore();
  await becomes('BUSY');
  await longEnough();
  expect(cluster.of('bob').told).toBe('BUSY');
});

test('a Redis that comes back empty learns what everybody is, from the brokers and from the database', async () => {
  one.presence.connected('bob');
  await say(one, 'BUSY');
  two.presence.setOnTrip('bob', true, 1000);
  await becomes('ON_TRIP');
  two.presence.connected('eve');
  await say(two, 'BUSY', 'eve');
  await wait(times.refreshMs * 2);
  cluster.before = [
    { driverId: 'bob', status: 'ON_TRIP', at: Date.now(), seenAt: Date.now(), onTrip: true },
    { driverId: 'eve', status: 'BUSY', at: Date.now(), seenAt: Date.now(), onTrip: false },
    { driverId: 'carl', status: 'ON_TRIP', at: Date.now(), seenAt: Date.now(), onTrip: true },
  ];
  const redis = testRedis(cluster.prefix);
  const admin = redis.connect('admin');
  await untilReady(admin, 5000);
  await everywhere('cut');
  await admin.del(...(await admin.keys(`${cluster.prefix}*`)));
  redis.close();
  await everywhere('restore');
  await noticed();
  await longEnough();
  expect([cluster.of('bob').told, cluster.of('eve').told, cluster.of('carl').told]).toEqual([
    'ON_TRIP',
    'BUSY',
    'ON_TRIP',
  ]);
  one.presence.setOnTrip('bob', false, 2000);
  await becomes('BUSY');
  one.presence.setOnTrip('carl', false, 2000);
  await becomes('OFFLINE', 'carl');
});

describe('after a start with an empty Redis', () => {
  const start = async (driver: { status: DriverStatus; onTrip: boolean }) => {
    cluster.before = [{ driverId: 'bob', at: Date.now() - 1000, seenAt: Date.now(), ...driver }];
    cluster.stored.rows.set('bob', { status: driver.status, at: Date.now() - 1000 });
    const redis = testRedis(cluster.prefix);
    const admin = redis.connect('admin');
    await untilReady(admin, 5000);
    one.crash();
    two.crash();
    await admin.del(...(await admin.keys(`${cluster.prefix}*`)));
    redis.close();
    [one, two] = await Promise.all([cluster.process(), cluster.process()]);
  };

  test('what the database has is told again, once, and counts while its driver comes back', async () => {
    await start({ status: 'BUSY', onTrip: false });
    await becomes('BUSY');
    two.presence.connected('bob');
    await longEnough();
    expect(cluster.toldOf('bob')).toEqual(['BUSY']);
    expect(await cluster.retainedOf('bob')).toBe('BUSY');
  });

  test('who does not come back within the grace time is OFFLINE', async () => {
    await start({ status: 'ONLINE', onTrip: false });
    await becomes('OFFLINE');
    expect(cluster.toldOf('bob')).toEqual(['ONLINE', 'OFFLINE']);
  });

  test('OFFLINE is told again', async () => {
    await start({ status: 'OFFLINE', onTrip: false });
    await longEnough();
    expect(cluster.toldOf('bob')).toEqual(['OFFLINE']);
  });

  test.each(['ONLINE', 'OFFLINE', 'ON_TRIP'] as const)(
    '%s of a driver on a trip is ON_TRIP to its end',
    async (status) => {
      await start({ status, onTrip: true });
      await becomes('ON_TRIP');
      await longEnough();
      expect(cluster.of('bob').told).toBe('ON_TRIP');
      one.presence.connected('bob');
      two.presence.setOnTrip('bob', false, 1000);
      await becomes('ONLINE');
    },
  );
});
