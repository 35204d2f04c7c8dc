import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { connectClient, type TestClient } from '../support/mqtt-client.ts';
import { type Platform, startPlatform, token } from '../support/platform.ts';
import { type Answer, caller, expectProblem } from '../support/rest.ts';

/** So long that no machine is slow enough to reach the next slot within a test. */
const INTERVAL_MS = 600_000;
/** A token every 6 s. */
const BACKLOG_PER_MINUTE = 10;

let database: TestDatabase;
let platform: Platform;

beforeAll(async () => {
  database = await createMigratedDatabase();
  platform = await startPlatform({
    DATABASE_URL: database.url,
    LOCATION_MIN_INTERVAL_MS: String(INTERVAL_MS),
    BACKLOG_MAX_PER_MINUTE: String(BACKLOG_PER_MINUTE),
  });
});
afterAll(async () => {
  await platform?.stop();
  await database?.drop();
});

const at = (offset: number) => ({ latitude: 1, longitude: 2, recordedAt: Date.now() + offset });
const batch = (count: number) => Array.from({ length: count }, (_, index) => at(-1000 * (index + 1)));

/** A driver with both ways in. */
async function driver(id: string) {
  const bearer = await token('DRIVER', id);
  const rest = caller(platform, bearer);
  const mqtt = await connectClient(platform.urls.mqtt, bearer);
  await mqtt.client.subscribeAsync(`drivers/${id}/errors`, { qos: 1 });
  return {
    mqtt,
    post: (position: object) => rest.post(`/v1/drivers/${id}/location`, position),
    postBatch: (positions: object[]) => rest.post(`/v1/drivers/${id}/locations`, positions),
    publish: (position: object) =>
      mqtt.client.publishAsync(`drivers/${id}/location`, JSON.stringify(position), { qos: 1 }),
    stored: async () =>
      ((await rest.get(`/v1/drivers/${id}/history`)).body as { items: unknown[] }).items.length,
  };
}

function expectLimited(answer: Answer, longestMs: number): void {
  const { retryAfterMs = 0 } = expectProblem(answer, 429, 'RATE_LIMITED');
  expect(retryAfterMs).toBeGreaterThan(0);
  expect(retryAfterMs).toBeLessThanOrEqual(longestMs);
  expect(answer.headers.get('retry-after')).toBe(String(Math.ceil(retryAfterMs / 1000)));
}

const limitedOver = (mqtt: TestClient) =>
  mqtt.next(({ payload }) => (payload as { code: string }).code === 'RATE_LIMITED');

describe('the limit of live positions', () => {
  test('is 429 with Retry-After, and nothing is stored', async () => {
    const { mqtt, post, stored } = await driver('driver-1');
    try {
      expect((await post(at(-2))).status).toBe(202);
      expectLimited(await post(at(-1)), INTERVAL_MS);
      expect(await stored()).toBe(1);
    } finally {
      await mqtt.end();
    }
  });

  test('is one for REST and MQTT: what was posted counts for what is published', async () => {
    const { mqtt, post, publish, stored } = await driver('driver-2');
    try {
      expect((await post(at(-2))).status).toBe(202);
      await publish(at(-1));
      const { payload } = await limitedOver(mqtt);
      expect(payload).toMatchObject({ topic: 'drivers/driver-2/location', retryAfterMs: expect.any(Number) });
      expect(await stored()).toBe(1);
    } finally {
      await mqtt.end();
    }
  });

  test('is one for REST and MQTT: what was published counts for what is posted', async () => {
    const { mqtt, post, publish, stored } = await driver('driver-3');
    try {
      await publish(at(-2));
      expectLimited(await post(at(-1)), INTERVAL_MS);
      expect(await stored()).toBe(1);
    } finally {
      await mqtt.end();
    }
  });

  test('takes nothing for the same position sent again', async () => {
    const { mqtt, post, stored } = await driver('driver-4');
    try {
      const position = at(0);
      expect((await post(position)).status).toBe(202);
      expect((await post(position)).status).toBe(202);
      expect(await stored()).toBe(1);
    } finally {
      await mqtt.end();
    }
  });

  test('takes nothing for a position that is refused', async () => {
    const { mqtt, post } = await driver('driver-5');
    try {
      expectProblem(await post({ latitude: 91, longitude: 0 }), 400, 'INVALID_PAYLOAD');
      expect((await post(at(0))).status).toBe(202);
    } finally {
      await mqtt.end();
    }
  });

  test('of one driver is not that of another', async () => {
    const service = caller(platform, await token('SERVICE', 'service-1'));
    for (const id of ['driver-6', 'driver-7'])
      expect((await service.post(`/v1/drivers/${id}/location`, at(0))).status).toBe(202);
    expectLimited(await service.post('/v1/drivers/driver-6/location', at(1)), INTERVAL_MS);
  });
});

describe('the budget of a backlog', () => {
  test('is its own: live positions take nothing from it', async () => {
    const { mqtt, post, postBatch, stored } = await driver('driver-8');
    try {
      expect((await post(at(0))).status).toBe(202);
      expect((await postBatch(batch(BACKLOG_PER_MINUTE))).status).toBe(202);
      expect(await stored()).toBe(BACKLOG_PER_MINUTE + 1);
    } finally {
      await mqtt.end();
    }
  });

  test('that is used up is 429 with Retry-After for the whole batch', async () => {
    const { mqtt, postBatch, stored } = await driver('driver-9');
    try {
      expect((await postBatch(batch(BACKLOG_PER_MINUTE))).status).toBe(202);
      const later = Array.from({ length: BACKLOG_PER_MINUTE }, (_, index) => at(-100_000 - index));
      expectLimited(await postBatch(later), 60_000);
      expect(await stored()).toBe(BACKLOG_PER_MINUTE);
    } finally {
      await mqtt.end();
    }
  });
});
