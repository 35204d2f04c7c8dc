import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Load, until } from '../support/chaos/load.ts';
import { Stage } from '../support/chaos/stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.start('outages');
}, 180_000);
afterAll(() => stage?.stop(), 60_000);

type Window = { from: number; to: number };
const isWithin = ({ from, to }: Window, at: number) => at > from && at < to;

/** kill -9, and back after so long (ms). What is asked of the time in between leaves out the moments in which it is noticed. */
async function away(server: 'postgres' | 'redis', ms: number, noticedWithinMs: number): Promise<Window> {
  stage.servers[server].server.signal();
  const from = Date.now() + noticedWithinMs;
  await stage.pause(ms, ms);
  const to = Date.now();
  await stage.servers[server].server.start();
  return { from, to };
}

const acknowledgedIn = (load: Load, window: Window) =>
  load.drivers.map(({ ackTimes }) => ackTimes.filter(({ at }) => isWithin(window, at)).length);

const seenIn = (load: Load, window: Window) =>
  load.riders.map(({ places }) => places.filter(({ at, retain }) => !retain && isWithin(window, at)).length);

test('PostgreSQL is away for 30 s: drivers publish, riders see them, and it is all stored afterwards', async () => {
  let window: Window = { from: 0, to: 0 };
  const load = await stage.fault(
    { name: 'PostgreSQL away for 30 s', spanMs: 36_000, underWay: true },
    async () => {
      window = await away('postgres', 30_000, 1000);
    },
  );
  expect(Math.min(...acknowledgedIn(load, window))).toBeGreaterThan(0);
  expect(Math.min(...seenIn(load, window))).toBeGreaterThan(0);
}, 240_000);

test('Redis is away for 10 s: each broker goes on for its clients, and acknowledges nothing', async () => {
  let window: Window = { from: 0, to: 0 };
  const load = await stage.fault(
    {
      name: 'Redis away for 10 s',
      spanMs: 16_000,
      underWay: true,
      sameBroker: true,
    },
    async () => {
      window = await away('redis', 10_000, 3000);
    },
  );
  expect(acknowledgedIn(load, window)).toEqual(load.drivers.map(() => 0));
  expect(Math.min(...seenIn(load, window))).toBeGreaterThan(0);
}, 240_000);

test('Redis is out of memory: OVERLOADED, until there is room again', async () => {
  let window: Window = { from: 0, to: 0 };
  const load = await stage.fault(
    {
      name: 'Redis out of memory',
      spanMs: 10_000,
      mayRepeatStatuses: true,
      underWay: true,
      mayBeRefused: true,
    },
    async ({ drivers }) => {
      await stage.redis.config('SET', 'maxmemory', '1mb');
      const from = Date.now() + 1000;
      // Told of it, let go, and let in again, those too whose session waits in Redis
      await stage.pause(3000, 4000);
      await until('most drivers were let go, and in again', () => {
        const others = drivers.filter(
          ({ errors, gaps }) => gaps.length === 0 || !errors.includes('OVERLOADED'),
        );
        return others.length > drivers.length / 2 ? others.map(({ id }) => id) : [];
      });
      window = { from, to: Date.now() };
      await stage.redis.config('SET', 'maxmemory', '0');
    },
  );
  expect(acknowledgedIn(load, window)).toEqual(load.drivers.map(() => 0));
  expect(new Set(load.drivers.flatMap(({ errors }) => errors))).toEqual(new Set(['OVERLOADED']));
}, 240_000);
