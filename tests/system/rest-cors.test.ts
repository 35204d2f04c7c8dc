import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { type Platform, startPlatform, token } from '../support/platform.ts';

let database: TestDatabase;
let platform: Platform;

const app = 'https://app.example.org';
const local = 'http://localhost:5173';

beforeAll(async () => {
  database = await createMigratedDatabase();
  platform = await startPlatform({ DATABASE_URL: database.url, CORS_ORIGINS: `${app}, ${local}/` });
});
afterAll(async () => {
  await platform?.stop();
  await database?.drop();
});

const location = '/v1/drivers/driver-1/location';

async function ask(headers: Record<string, string>, method = 'GET', path = location): Promise<Response> {
  const response = await fetch(`${platform.urls.rest}${path}`, { method, headers });
  await response.arrayBuffer();
  return response;
}

/** What a browser asks before it sends a token or JSON to another origin. */
const preflight = (origin: string, method: string, path = location) =>
  ask(
    {
      origin,
      'access-control-request-method': method,
      'access-control-request-headers': 'authorization,content-type,idempotency-key',
    },
    'OPTIONS',
    path,
  );

const list = (response: Response, name: string) =>
  (response.headers.get(name) ?? '').split(',').map((item) => item.trim().toLowerCase());

describe('a page of a configured origin', () => {
  test.each([app, local])('%s may read answers, also refusals', async (origin) => {
    const bearer = await token('SERVICE', 'service-1');
    for (const authorization of [`Bearer ${bearer}`, 'Bearer bad']) {
      const response = await ask({ origin, authorization });
      expect([404, 401]).toContain(response.status);
      expect(response.headers.get('access-control-allow-origin')).toBe(origin);
      expect(list(response, 'access-control-expose-headers')).toEqual(
        expect.arrayContaining([
          ...['retry-after', 'ratelimit-remaining', 'www-authenticate', 'etag', 'location', 'allow'],
          'x-request-id',
        ]),
      );
    }
  });

  test.each([
    ['GET', location],
    ['POST', location],
    ['PUT', '/v1/drivers/driver-1/status'],
    ['PATCH', '/v1/trips/1/status'],
    ['DELETE', '/v1/trips/1'],
  ])('may send %s with a token and JSON, as its preflight tells, without a token', async (method, path) => {
    const response = await preflight(app, method, path);
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-origin')).toBe(app);
    expect(list(response, 'access-control-allow-methods')).toContain(method.toLowerCase());
    expect(list(response, 'access-control-allow-headers')).toEqual(
      expect.arrayContaining(['authorization', 'content-type', 'idempotency-key', 'x-request-id']),
    );
    expect(Number(response.headers.get('access-control-max-age'))).toBeGreaterThan(0);
  });
});

describe('a page of another origin', () => {
  test.each([
    'https://evil.example',
    'https://app.example.org.evil.example',
    'https://evil.example/https://app.example.org',
    'http://app.example.org',
    'https://app.example.org:444',
    'https://APP.example.org',
    'https://sub.app.example.org',
    'null',
    '*',
  ])('%s is allowed nothing', async (origin) => {
    for (const response of [await ask({ origin }), await preflight(origin, 'GET')]) {
      const allowing = [...response.headers.keys()].filter((name) => name.startsWith('access-control-'));
      expect(allowing).toEqual([]);
    }
  });
});

test('caches keep the answers for different origins apart', async () => {
  for (const response of [
    await ask({ origin: app }),
    await ask({}),
    await ask({ origin: 'https://evil.example' }),
  ])
    expect(list(response, 'vary')).toContain('origin');
});

test('no page is allowed credentials mode: there are no cookies to send', async () => {
  for (const response of [await ask({ origin: app }), await preflight(app, 'GET')])
    expect(response.headers.get('access-control-allow-credentials')).toBeNull();
});

test('OPTIONS that is no preflight is a request like any other', async () => {
  expect((await ask({ origin: app }, 'OPTIONS')).status).toBe(401);
});
