import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { connectClient } from '../support/mqtt-client.ts';
import { type Platform, startPlatform, token } from '../support/platform.ts';
import { type Answer, caller, expectProblem } from '../support/rest.ts';

/** Requests a minute and client. */
const LIMIT = 5;

let databases: TestDatabase[];
/** The first is open to everybody, the second stands behind a proxy. */
let direct: Platform;
let proxied: Platform;

beforeAll(async () => {
  databases = [await createMigratedDatabase(), await createMigratedDatabase()];
  const platforms = [{ TRUST_PROXY: 'off' }, { TRUST_PROXY: 'on' }].map((env, index) =>
    startPlatform({
      DATABASE_URL: databases[index]?.url ?? '',
      API_RATE_LIMIT_PER_MINUTE: String(LIMIT),
      ...env,
    }),
  );
  [direct, proxied] = (await Promise.all(platforms)) as [Platform, Platform];
});
afterAll(async () => {
  await Promise.all([direct?.stop(), proxied?.stop()]);
  for (const database of databases ?? []) await database.drop();
});

async function ask(platform: Platform, forwardedFor?: string, path = '/v1/drivers/driver-1/location') {
  const response = await fetch(`${platform.urls.rest}${path}`, {
    headers: forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor },
  });
  return { status: response.status, headers: response.headers, body: await response.json() } as Answer;
}

const statuses = async (answers: Promise<Answer>[]) =>
  (await Promise.all(answers)).map(({ status }) => status);
const times = <T>(count: number, make: (index: number) => T) =>
  Array.from({ length: count }, (_, index) => make(index));

function expectLimited(answer: Answer): void {
  const problem = expectProblem(answer, 429, 'RATE_LIMITED');
  const retryAfter = Number(answer.headers.get('retry-after'));
  expect(retryAfter).toBeGreaterThanOrEqual(1);
  expect(retryAfter).toBeLessThanOrEqual(60);
  expect(problem.retryAfterMs).toBeGreaterThan(0);
}

describe('the limit of a client address', () => {
  test('counts down in the RateLimit headers, also for who has no token, and then is 429', async () => {
    const remaining: (string | null)[] = [];
    for (let count = 0; count < LIMIT; count++) {
      const { status, headers } = await ask(direct);
      expect(status).toBe(401);
      expect(headers.get('ratelimit-limit')).toBe(String(LIMIT));
      expect(Number(headers.get('ratelimit-reset'))).toBeGreaterThan(0);
      remaining.push(headers.get('ratelimit-remaining'));
    }
    expect(remaining).toEqual(['4', '3', '2', '1', '0']);
    expectLimited(await ask(direct));
  });

  test('holds for a good token too', async () => {
    expectLimited(await caller(direct, await token('SERVICE', 's')).get('/v1/drivers/driver-1/location'));
  });

  test('is not escaped by a forged X-Forwarded-For', async () => {
    for (const address of ['203.0.113.7', '2001:db8::1', 'localhost', '127.0.0.2, 127.0.0.1'])
      expectLimited(await ask(direct, address));
  });

  test('is not escaped by Forwarded or the headers of other proxies', async () => {
    for (const name of ['forwarded', 'x-real-ip', 'x-client-ip', 'true-client-ip', 'cf-connecting-ip']) {
      const value = name === 'forwarded' ? 'for=203.0.113.8' : '203.0.113.8';
      const response = await fetch(`${direct.urls.rest}/v1/drivers/driver-1/location`, {
        headers: { [name]: value },
      });
      expectLimited({ status: response.status, headers: response.headers, body: await response.json() });
    }
  });

  test('does not hold for health', async () => {
    expect(await statuses(times(LIMIT * 3, () => ask(direct, undefined, '/health')))).toEqual(
      times(LIMIT * 3, () => 200),
    );
  });

  test('does not hold for MQTT', async () => {
    const driver = await connectClient(direct.urls.mqtt, await token('DRIVER', 'driver-1'));
    try {
      await driver.client.subscribeAsync('drivers/driver-1/location');
      for (let speed = 0; speed < LIMIT * 2; speed++)
        await driver.client.publishAsync(
          'drivers/driver-1/location',
          JSON.stringify({ latitude: 1, longitude: 2, speed }),
          { qos: 1 },
        );
      await driver.next(({ payload }) => (payload as { speed: number }).speed === LIMIT * 2 - 1);
    } finally {
      await driver.end();
    }
  });
});

describe('behind a proxy that is trusted', () => {
  test('each forwarded address has a limit of its own', async () => {
    const allowed = times(LIMIT, () => 401);
    expect(await statuses(times(LIMIT, () => ask(proxied, '203.0.113.1')))).toEqual(allowed);
    expectLimited(await ask(proxied, '203.0.113.1'));
    expect(await statuses(times(LIMIT, () => ask(proxied, '203.0.113.2')))).toEqual(allowed);
    expectLimited(await ask(proxied, '203.0.113.2'));
  });

  test('an IPv4 address is the same in the notation of IPv6', async () => {
    expectLimited(await ask(proxied, '::ffff:203.0.113.1'));
  });

  test('the addresses of one IPv6 network are one client', async () => {
    expect(await statuses(times(LIMIT, (index) => ask(proxied, `2001:db8:0:1::${index + 1}`)))).toEqual(
      times(LIMIT, () => 401),
    );
    expectLimited(await ask(proxied, '2001:db8:0:1:2:3:4:5'));
    expect((await ask(proxied, '2001:db8:ffff::1')).status).toBe(401);
  });

  test('what is no address counts for the proxy, and leaves no words in the log', async () => {
    const before = proxied.output.length;
    const forged = ['junk', '<script>', '999.1.1.1', 'a'.repeat(2000), '203.0.113.1:443'];
    expect(await statuses(forged.map((address) => ask(proxied, address)))).toEqual(forged.map(() => 401));
    expectLimited(await ask(proxied, 'more junk'));
    expect(proxied.output.slice(before)).toEqual([]);
  });
});
