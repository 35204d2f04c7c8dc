import { expect, test } from '@jest/globals';
import { untilReady } from '../../shared/redis/connection.ts';
import type { DriverStatus, ReportedStatus } from '../../shared/schemas/driver-status.ts';
import { type TestProcess, times } from '../support/presence-cluster.ts';
import { type Scenario, scenario } from '../support/presence-scenario.ts';
import { testRedis } from '../support/redis.ts';

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const longEnough = () => wait(times.leaseMs + times.graceMs + 200);
const say = ({ presence }: TestProcess, status: ReportedStatus, driverId = 'bob') =>
  presence.report(driverId, status, Date.now());
/** Both have seen that Redis is away, or that it is back. */
const noticed = () => wait(1600);

test.concurrent(
  'while Redis is away from everybody, each broker goes on for its drivers: what they say, lost connections, wills',
  scenario(async ({ cluster, one, two, everywhere, becomes }) => {
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
  }),
);

test.concurrent(
  'while Redis is away from everybody, a driver who went to another broker meanwhile is there afterwards, and what it said there counts',
  scenario(async ({ cluster, one, two, everywhere, becomes }) => {
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
  }),
);

test.concurrent(
  'while Redis is away from everybody, a trip that began and ended meanwhile, heard of by two processes, is over',
  scenario(async ({ cluster, one, two, everywhere, becomes }) => {
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
  }),
);

test.concurrent(
  'while Redis is away from everybody, again and again, nothing is lost on the way',
  scenario(async ({ one, two, everywhere, becomes }) => {
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
  }),
);

test.concurrent(
  'a broker that is cut off alone keeps its drivers, though the others took it for dead',
  scenario(async ({ cluster, one, proxies, becomes }) => {
    one.presence.connected('bob');
    await say(one, 'BUSY');
    await proxies[0].cut();
    await becomes('OFFLINE');
    await proxies[0].restore();
    await becomes('BUSY');
    await longEnough();
    expect(cluster.of('bob').told).toBe('BUSY');
  }),
);

test.concurrent(
  'a Redis that comes back empty learns what everybody is, from the brokers and from the database',
  scenario(async ({ cluster, one, two, everywhere, becomes }) => {
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
  }),
);

type Stored = { status: DriverStatus; onTrip: boolean };

/** Two others, in place of the two that were there, which find nothing in Redis. */
async function startAnew(
  { cluster, one, two }: Scenario,
  driver: Stored,
): Promise<[TestProcess, TestProcess]> {
  cluster.before = [{ driverId: 'bob', at: Date.now() - 1000, seenAt: Date.now(), ...driver }];
  cluster.stored.rows.set('bob', { status: driver.status, at: Date.now() - 1000 });
  const redis = testRedis(cluster.prefix);
  const admin = redis.connect('admin');
  await untilReady(admin, 5000);
  one.crash();
  two.crash();
  await admin.del(...(await admin.keys(`${cluster.prefix}*`)));
  redis.close();
  return Promise.all([cluster.process(), cluster.process()]);
}

/** Two processes that have started with an empty Redis, and what the database has of bob. */
const anew = (driver: Stored, play: (scenario: Scenario) => Promise<void>) =>
  scenario(async (before) => {
    const [one, two] = await startAnew(before, driver);
    await play({ ...before, one, two });
  });

test.concurrent(
  'after a start with an empty Redis, what the database has is told again, once, and counts while its driver comes back',
  anew({ status: 'BUSY', onTrip: false }, async ({ cluster, two, becomes }) => {
    await becomes('BUSY');
    two.presence.connected('bob');
    await longEnough();
    expect(cluster.toldOf('bob')).toEqual(['BUSY']);
    expect(await cluster.retainedOf('bob')).toBe('BUSY');
  }),
);

test.concurrent(
  'after a start with an empty Redis, who does not come back within the grace time is OFFLINE',
  anew({ status: 'ONLINE', onTrip: false }, async ({ cluster, becomes }) => {
    await becomes('OFFLINE');
    expect(cluster.toldOf('bob')).toEqual(['ONLINE', 'OFFLINE']);
  }),
);

test.concurrent(
  'after a start with an empty Redis, OFFLINE is told again',
  anew({ status: 'OFFLINE', onTrip: false }, async ({ cluster }) => {
    await longEnough();
    expect(cluster.toldOf('bob')).toEqual(['OFFLINE']);
  }),
);

for (const status of ['ONLINE', 'OFFLINE', 'ON_TRIP'] as const)
  test.concurrent(
    `after a start with an empty Redis, ${status} of a driver on a trip is ON_TRIP to its end`,
    anew({ status, onTrip: true }, async ({ cluster, one, two, becomes }) => {
      await becomes('ON_TRIP');
      await longEnough();
      expect(cluster.of('bob').told).toBe('ON_TRIP');
      one.presence.connected('bob');
      two.presence.setOnTrip('bob', false, 1000);
      await becomes('ONLINE');
    }),
  );
