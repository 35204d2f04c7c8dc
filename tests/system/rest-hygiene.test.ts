import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { type Platform, request, startPlatform, token } from '../support/platform.ts';

let database: TestDatabase;
let platform: Platform;
let service: string;

beforeAll(async () => {
  database = await createMigratedDatabase();
  platform = await startPlatform({ DATABASE_URL: database.url });
  service = await token('SERVICE', 'booking');
  const positions = Array.from({ length: 100 }, (_, second) => ({
    latitude: 37.98,
    longitude: 23.73 + second / 1e5,
    recordedAt: new Date(Date.now() - (100 - second) * 1000).toISOString(),
  }));
  await request(platform, service, 'POST', '/v1/drivers/driver-1/locations', positions);
});

afterAll(async () => {
  await platform?.stop();
  await database?.drop();
});

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${platform.urls.rest}${path}`, { headers: { authorization: `Bearer ${service}`, ...headers } });

describe('compression', () => {
  test('a large answer is compressed for who takes it, and reads the same', async () => {
    const plain = await get('/v1/drivers/driver-1/history?limit=100', { 'accept-encoding': 'identity' });
    const packed = await get('/v1/drivers/driver-1/history?limit=100', { 'accept-encoding': 'gzip' });
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect(packed.headers.get('content-encoding')).toBe('gzip');
    expect(packed.headers.get('vary')).toMatch(/accept-encoding/i);
    expect(await packed.json()).toEqual(await plain.json());
  });

  test('a streamed export too', async () => {
    const packed = await get('/v1/drivers/driver-1/history?format=csv', { 'accept-encoding': 'gzip' });
    expect(packed.headers.get('content-encoding')).toBe('gzip');
    expect((await packed.text()).trim().split('\r\n')).toHaveLength(101);
  });

  test('a small one is not', async () => {
    const answer = await get('/v1/drivers/driver-1/location', { 'accept-encoding': 'gzip' });
    expect(answer.headers.get('content-encoding')).toBeNull();
  });
});

describe('request ids', () => {
  test('an answer carries the id that came with the request', async () => {
    const answer = await get('/v1/trips', { 'x-request-id': 'abc-123' });
    expect(answer.headers.get('x-request-id')).toBe('abc-123');
  });

  test('or one of its own, also when refused', async () => {
    const [one, other] = await Promise.all([get('/v1/nothing'), get('/v1/nothing')]);
    expect(one.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(other.headers.get('x-request-id')).not.toBe(one.headers.get('x-request-id'));
  });

  test.each(['a b', 'x'.repeat(101), '"quoted"'])('what is no id is replaced: %j', async (id) => {
    const answer = await get('/v1/trips', { 'x-request-id': id });
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('what is no page', () => {
  test.each(['/health', '/openapi.json', '/v1/trips', '/v1/nothing'])(
    '%s lets a browser that shows it load nothing',
    async (path) => {
      const { headers } = await get(path);
      expect(headers.get('content-security-policy')).toMatch(/^default-src 'none';/);
      expect(headers.get('content-security-policy')).not.toMatch(/-src (?!'none')/);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
    },
  );
});

describe('caching', () => {
  test.each([
    '/v1/drivers/driver-1/location',
    '/v1/drivers/driver-1/history',
    '/v1/drivers/nearby?latitude=37.98&longitude=23.73',
    '/v1/trips',
  ])('%s is kept by nobody', async (path) => {
    expect((await get(path)).headers.get('cache-control')).toBe('no-store');
  });

  test.each(['/', '/track', '/docs/assets/nothing', '/v1/trips/nothing', '/v1/nothing'])(
    'nor is what refuses %s: it may be there in a moment',
    async (path) => {
      const answer = await get(path);
      expect([answer.status, answer.headers.get('cache-control')]).toEqual([404, 'no-store']);
    },
  );
});
