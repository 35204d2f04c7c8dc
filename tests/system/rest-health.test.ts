import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CuttableProxy, startCuttableProxy } from '../support/cuttable-proxy.ts';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { connectClient } from '../support/mqtt-client.ts';
import { type Platform, startPlatform, token } from '../support/platform.ts';
import { type Answer, caller, expectProblem } from '../support/rest.ts';

/** Positions that may wait for the database: the least that can be configured. */
const MOST = 1000;

let database: TestDatabase;
let proxy: CuttableProxy;
let platform: Platform;
let service: ReturnType<typeof caller>;

beforeAll(async () => {
  database = await createMigratedDatabase();
  proxy = await startCuttableProxy(database.url);
  platform = await startPlatform({ DATABASE_URL: proxy.url, MAX_QUEUED_POSITIONS: String(MOST) });
  service = caller(platform, await token('SERVICE', 'service-1'));
});
afterAll(async () => {
  await proxy?.restore();
  await platform?.stop();
  await proxy?.cut();
  await database?.drop();
});

type Health = { status: string; checks?: Record<string, string>; uptimeSeconds: number };

async function ask(base: string, path: string): Promise<{ status: number; body: Health; text: string }> {
  const response = await fetch(`${base}${path}`);
  const text = await response.text();
  expect(response.headers.get('content-type')).toMatch(/^application\/json\b/);
  return { status: response.status, body: JSON.parse(text), text };
}

const servers = () => [platform.urls.rest, platform.urls.metrics];

/** Asks again until it is so: how long a database's client takes to reconnect is its own affair. */
async function untilReady(): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if ((await ask(platform.urls.rest, '/health/ready')).status === 200) return;
    await sleep(100);
  }
  throw new Error('not ready again within 10 s');
}

describe('health, on the API and on the metrics port, without a token', () => {
  test.each(['/health', '/health/ready'])('%s names the parts of the process', async (path) => {
    for (const server of servers())
      expect(await ask(server, path)).toMatchObject({
        status: 200,
        body: { status: 'ok', checks: { database: 'ok', broker: 'ok' }, uptimeSeconds: expect.any(Number) },
      });
  });

  test('/health/live says that the process is there', async () => {
    for (const server of servers())
      expect(await ask(server, '/health/live')).toMatchObject({ status: 200, body: { status: 'ok' } });
  });

  test('a final slash and a query do not matter', async () => {
    expect((await ask(platform.urls.rest, '/health/ready/?a=b')).status).toBe(200);
    expect((await ask(platform.urls.metrics, '/health/ready?a=b')).status).toBe(200);
  });

  test('is asked by HEAD too', async () => {
    for (const server of servers())
      expect((await fetch(`${server}/health/ready`, { method: 'HEAD' })).status).toBe(200);
  });
});

describe('while the database is away', () => {
  let pending: Promise<Answer>;
  let batches: Promise<Answer>[];
  const position = { latitude: 48.2, longitude: 16.37, recordedAt: new Date().toISOString() };

  beforeAll(() => proxy.cut());

  test('the process is alive and not ready, and says which part is missing, not where it is', async () => {
    for (const server of servers()) {
      expect(await ask(server, '/health/live')).toMatchObject({ status: 200 });
      for (const path of ['/health', '/health/ready']) {
        const { status, body, text } = await ask(server, path);
        expect({ status, health: body.status, broker: body.checks?.broker }).toEqual({
          status: 503,
          health: 'unavailable',
          broker: 'ok',
        });
        expect(body.checks?.database).toMatch(/\w/);
        expect(body.checks?.database).not.toBe('ok');
        expect(text).not.toMatch(/127\.0\.0\.1|postgres|fleetcast_test|\bat /);
      }
    }
  });

  test('questions are 503 with Retry-After', async () => {
    for (const path of ['location', 'history']) {
      const answer = await service.get(`/v1/drivers/driver-1/${path}`);
      expectProblem(answer, 503, 'UNAVAILABLE');
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
  });

  test('a position goes to who follows the driver, and its sender waits', async () => {
    const operator = await connectClient(platform.urls.mqtt, await token('OPERATOR', 'operator-1'));
    try {
      await operator.client.subscribeAsync('drivers/driver-1/location');
      pending = service.post('/v1/drivers/driver-1/location', position);
      let answered = false;
      const note = () => {
        answered = true;
      };
      pending.then(note, note);
      expect((await operator.next(({ topic }) => topic.includes('driver-1'))).payload).toMatchObject(
        position,
      );
      expect(answered).toBe(false);
    } finally {
      await operator.end();
    }
  });

  test('as many wait as are allowed, and more are told to come back', async () => {
    const sendBatch = (driver: string) =>
      service.post(
        `/v1/drivers/${driver}/locations`,
        Array.from({ length: MOST / 2 }, (_, second) => ({
          latitude: 1,
          longitude: 2,
          recordedAt: Date.now() - second * 1000,
        })),
      );
    // One of the two comes first and fills the room
    batches = [sendBatch('driver-2'), sendBatch('driver-3')];
    const answer = await Promise.race(batches);
    expectProblem(answer, 503, 'OVERLOADED');
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  test('and is back, the process is ready, and the position stored once and acknowledged', async () => {
    await proxy.restore();
    await untilReady();
    expect((await pending).status).toBe(202);
    const answers = await Promise.all(batches);
    expect(answers.map(({ status }) => status).sort()).toEqual([202, 503]);
    expect((await service.get('/v1/drivers/driver-1/history')).body).toMatchObject({
      items: [position],
      nextCursor: null,
    });
  });
});
