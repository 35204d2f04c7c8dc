import { expect, test } from '@jest/globals';
import type { ReportedStatus } from '../../shared/schemas/driver-status.ts';
import { type TestProcess, times } from '../support/presence-cluster.ts';
import { scenario } from '../support/presence-scenario.ts';
import { BUSY_MS, eventually } from '../support/redis.ts';

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const longEnough = () => wait(times.leaseMs + times.graceMs + 200);
const say = ({ presence }: TestProcess, status: ReportedStatus, driverId = 'bob') =>
  presence.report(driverId, status, Date.now());
test.concurrent(
  'a driver is what it said last, whichever broker it told',
  scenario(async ({ cluster, one, two, is }) => {
    for (const [process, status] of [
      [one, 'BUSY'],
      [two, 'ONLINE'],
      [two, 'OFFLINE'],
      [one, 'BUSY'],
    ] as const) {
      expect(await say(process, status)).toBe(status);
      is(status);
      expect(await cluster.retainedOf('bob')).toBe(status);
    }
  }),
);

test.concurrent(
  'a driver who sends positions and never said anything is ONLINE, told once',
  scenario(async ({ cluster, one, two, becomes }) => {
    for (const { presence } of [one, two]) presence.seen('bob', Date.now());
    await becomes('ONLINE');
    await wait(200);
    expect(cluster.toldOf('bob')).toEqual(['ONLINE']);
  }),
);

test.concurrent(
  'a driver who only listens is nothing at all',
  scenario(async ({ cluster, one, two }) => {
    one.presence.connected('bob');
    two.presence.connected('bob');
    await wait(times.leaseMs * 2);
    one.presence.disconnected('bob');
    two.presence.disconnected('bob');
    await longEnough();
    expect(cluster.of('bob')).toEqual({ told: undefined, stored: undefined });
  }),
);

test.concurrent(
  'a driver without a connection counts as long as a position would',
  scenario(async ({ cluster, one, two, becomes, is }) => {
    const { presence } = await cluster.process(undefined, { staleAfterMs: 400 });
    one.crash();
    two.crash();
    await presence.report('bob', 'BUSY', Date.now());
    for (let count = 0; count < 8; count++) {
      await wait(100);
      presence.seen('bob', Date.now());
    }
    is('BUSY');
    await becomes('OFFLINE');
    presence.seen('bob', Date.now());
    await becomes('BUSY');
  }),
);

test.concurrent(
  'a connection that is lost is nothing while there is one on another broker, also with a will',
  scenario(async ({ cluster, one, two, becomes }) => {
    one.presence.connected('bob', 'OFFLINE');
    two.presence.connected('bob', 'OFFLINE');
    await say(one, 'BUSY');
    await one.presence.lastWill('bob', 'OFFLINE', Date.now());
    one.presence.disconnected('bob', 'OFFLINE');
    await longEnough();
    expect(cluster.toldOf('bob')).toEqual(['BUSY']);
    two.presence.disconnected('bob', 'OFFLINE');
    await becomes('OFFLINE');
  }),
);

test.concurrent(
  'a connection that is lost makes it OFFLINE after the grace time, and what it said counts again on another broker',
  scenario(async ({ cluster, one, two, becomes }) => {
    one.presence.connected('bob');
    await say(one, 'BUSY');
    const before = Date.now();
    one.presence.disconnected('bob');
    await becomes('OFFLINE');
    expect(Date.now() - before).toBeGreaterThanOrEqual(times.graceMs - 5);
    two.presence.connected('bob');
    await becomes('BUSY');
    await longEnough();
    expect(cluster.toldOf('bob')).toEqual(['BUSY', 'OFFLINE', 'BUSY']);
  }),
);

test.concurrent(
  'a connection that is lost is forgotten when it is back on another broker within the grace time',
  scenario(async ({ cluster, one, two }) => {
    one.presence.connected('bob');
    await say(one, 'BUSY');
    one.presence.disconnected('bob');
    await wait(times.graceMs / 2);
    two.presence.connected('bob');
    await longEnough();
    expect(cluster.toldOf('bob')).toEqual(['BUSY']);
  }),
);

test.concurrent(
  'a connection that is lost does not count when the driver was heard of by another process since',
  scenario(async ({ cluster, one, two }) => {
    one.presence.connected('bob');
    await say(one, 'BUSY');
    one.presence.disconnected('bob');
    await wait(times.graceMs / 2);
    two.presence.seen('bob', Date.now());
    await longEnough();
    expect(cluster.toldOf('bob')).toEqual(['BUSY']);
  }),
);

test.concurrent(
  'a connection that is lost with a will makes it OFFLINE at once; a position anywhere brings it back',
  scenario(async ({ one, two, becomes, is }) => {
    one.presence.connected('bob', 'OFFLINE');
    await say(one, 'BUSY');
    await one.presence.lastWill('bob', 'OFFLINE', Date.now());
    one.presence.disconnected('bob', 'OFFLINE');
    is('OFFLINE');
    two.presence.seen('bob', Date.now());
    await becomes('BUSY');
  }),
);

test.concurrent(
  'on a trip it is ON_TRIP whatever it says and wherever, and then what it said last',
  scenario(async ({ one, two, becomes, is }) => {
    await say(one, 'ONLINE');
    two.presence.setOnTrip('bob', true, 1000);
    await becomes('ON_TRIP');
    expect(await say(one, 'BUSY')).toBe('ON_TRIP');
    is('ON_TRIP');
    one.presence.setOnTrip('bob', false, 2000);
    await becomes('BUSY');
  }),
);

test.concurrent(
  'on a trip it is off it when the end was told before the beginning',
  scenario(async ({ cluster, one, two }) => {
    await say(one, 'ONLINE');
    one.presence.setOnTrip('bob', false, 2000);
    // Nothing tells when it is known: it changes nothing
    await wait(500);
    two.presence.setOnTrip('bob', true, 1000);
    await wait(200);
    expect(cluster.toldOf('bob')).toEqual(['ONLINE']);
  }),
);

test.concurrent(
  'on a trip it stays ON_TRIP though its whole broker is lost, and is OFFLINE afterwards',
  scenario(async ({ one, two, becomes, is }) => {
    one.presence.connected('bob');
    await say(one, 'ONLINE');
    two.presence.setOnTrip('bob', true, 1000);
    await becomes('ON_TRIP');
    one.crash();
    await longEnough();
    is('ON_TRIP');
    two.presence.setOnTrip('bob', false, 2000);
    await becomes('OFFLINE');
  }),
);

test.concurrent(
  'when a broker dies, its drivers are OFFLINE soon, told once by whoever is left, and nobody else is',
  scenario(async ({ cluster, one, two, becomes }) => {
    const three = await cluster.process();
    const drivers = Array.from({ length: 60 }, (_, index) => `driver-${index}`);
    for (const driver of drivers) {
      one.presence.connected(driver);
      await say(one, 'BUSY', driver);
    }
    two.presence.connected('safe');
    await say(two, 'BUSY', 'safe');
    await longEnough();
    expect(drivers.filter((driver) => cluster.of(driver).told !== 'BUSY')).toEqual([]);
    const before = Date.now();
    one.crash();
    for (const driver of drivers) await becomes('OFFLINE', driver);
    expect(Date.now() - before).toBeLessThan(times.leaseMs + times.graceMs + BUSY_MS);
    await wait(300);
    expect(drivers.filter((driver) => cluster.toldOf(driver).join() !== 'BUSY,OFFLINE')).toEqual([]);
    expect(cluster.toldOf('safe')).toEqual(['BUSY']);
    three.crash();
  }),
);

test.concurrent(
  'when a broker dies, a driver who is back on another one in time is there all the time',
  scenario(async ({ cluster, one, two }) => {
    one.presence.connected('bob', 'OFFLINE');
    await say(one, 'BUSY');
    one.crash();
    await wait(times.graceMs - 100);
    two.presence.connected('bob', 'OFFLINE');
    await longEnough();
    expect(cluster.toldOf('bob')).toEqual(['BUSY']);
  }),
);

test.concurrent(
  'when a broker dies, the wills that were left there take effect, once',
  scenario(async ({ cluster, one, becomes }) => {
    const three = await cluster.process();
    for (const [driver, will] of [
      ['off', 'OFFLINE'],
      ['busy', 'BUSY'],
      ['none', undefined],
    ] as const) {
      one.presence.connected(driver, will);
      await say(one, 'ONLINE', driver);
    }
    one.crash();
    for (const driver of ['off', 'busy', 'none']) await becomes('OFFLINE', driver);
    await longEnough();
    expect(cluster.toldOf('off')).toEqual(['ONLINE', 'OFFLINE']);
    // By then its grace time is over as well
    expect(cluster.toldOf('busy')).toEqual(['ONLINE', 'OFFLINE']);
    expect(cluster.toldOf('none')).toEqual(['ONLINE', 'OFFLINE']);
    // And what it was left with is what counts when it is back
    three.presence.seen('busy', Date.now());
    await becomes('BUSY', 'busy');
  }),
);

test.concurrent(
  'when a broker dies, a driver who sends on over REST is not lost with it',
  scenario(async ({ cluster, one, two }) => {
    one.presence.connected('bob', 'OFFLINE');
    await say(one, 'BUSY');
    one.crash();
    const end = Date.now() + times.leaseMs + times.graceMs + 400;
    while (Date.now() < end) {
      two.presence.seen('bob', Date.now());
      await wait(20);
    }
    expect(cluster.toldOf('bob')).toEqual(['BUSY']);
  }),
);

test.concurrent(
  'when two processes change a driver at once, the last that is told is what is stored and retained, however slow the database is',
  scenario(async ({ cluster, one, two, becomes, is }) => {
    cluster.stored.slow = 15;
    const statuses = ['ONLINE', 'BUSY', 'OFFLINE'] as const;
    await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        await wait(Math.random() * 100);
        const status = statuses[index % 3] ?? 'BUSY';
        await say(index % 2 === 0 ? one : two, status);
      }),
    );
    cluster.stored.slow = 0;
    const last = await say(one, 'BUSY');
    await becomes(last);
    await wait(300);
    is('BUSY');
    expect(await cluster.retainedOf('bob')).toBe('BUSY');
  }),
);

test.concurrent(
  'a process that stands still while it tells and goes on after a newer status was told elsewhere, has that one told again: the last is the newest',
  scenario(async ({ cluster, one, is }) => {
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const slow = await cluster.process(undefined, { tellMs: 200, gate });
    const said = say(slow, 'BUSY');
    await wait(300);
    expect(await say(one, 'ONLINE')).toBe('ONLINE');
    is('ONLINE');
    open();
    await said;
    await eventually(
      () => cluster.toldOf('bob'),
      (told) => told.join() === 'ONLINE,BUSY,ONLINE',
    );
    await wait(300);
    is('ONLINE');
    expect(await cluster.retainedOf('bob')).toBe('ONLINE');
  }),
);

for (const [often, sweepMs] of [
  ['as often as the others', times.sweepMs],
  ['nearly always', 5],
] as const)
  test.concurrent(
    `a process that stands still while it tells and never goes on is stood in for, when it sweeps ${often}`,
    scenario(async ({ cluster, becomes }) => {
      const stuck = await cluster.process(undefined, { tellMs: 200, sweepMs, gate: new Promise(() => {}) });
      void say(stuck, 'BUSY');
      await becomes('BUSY');
      expect(cluster.toldOf('bob')).toEqual(['BUSY']);
      expect(await cluster.retainedOf('bob')).toBe('BUSY');
    }),
  );

test.concurrent(
  'while the database is away, a status message fails, so that it can be sent again',
  scenario(async ({ cluster, one, two, is }) => {
    cluster.stored.away = true;
    await expect(say(one, 'BUSY')).rejects.toThrow('away');
    expect(cluster.toldOf('bob')).toEqual([]);
    cluster.stored.away = false;
    await say(two, 'ONLINE');
    is('ONLINE');
  }),
);

test.concurrent(
  'while the database is away, what nobody sends again is stored and told once it is back, also when its process has died',
  scenario(async ({ cluster, one, two, becomes }) => {
    one.presence.connected('bob');
    await say(one, 'BUSY');
    cluster.stored.away = true;
    two.presence.setOnTrip('bob', true, 1000);
    await wait(300);
    two.crash();
    expect(cluster.toldOf('bob')).toEqual(['BUSY']);
    cluster.stored.away = false;
    await becomes('ON_TRIP');
    const { saves } = cluster.stored;
    await wait(3000);
    expect(cluster.stored.saves).toBe(saves);
  }),
);

test.concurrent(
  'nothing is left in Redis of drivers who are long gone',
  scenario(async ({ cluster, one, two, becomes }) => {
    const { presence } = await cluster.process(undefined, { staleAfterMs: 100 });
    one.crash();
    two.crash();
    for (let index = 0; index < 300; index++) presence.seen(`driver-${index}`, Date.now());
    await becomes('OFFLINE', 'driver-299');
    const left = await eventually(
      () => cluster.recordsLeft(),
      (count) => count === 0,
    );
    expect(left).toBe(0);
  }),
);
