import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import jwt from 'jsonwebtoken';
import type { Role } from '../../shared/auth/identity.ts';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { type Platform, request, startPlatform, TEST_SECRET, token } from '../support/platform.ts';
import { caller, expectProblem } from '../support/rest.ts';

let database: TestDatabase;
let platform: Platform;

beforeAll(async () => {
  database = await createMigratedDatabase();
  platform = await startPlatform({ DATABASE_URL: database.url });
});
afterAll(async () => {
  await platform?.stop();
  await database?.drop();
});

const position = { latitude: 48.2, longitude: 16.37 };

type Route = { name: string; method: string; path: string; body?: unknown; success: number };

const routes: Route[] = [
  {
    name: 'send a position',
    method: 'POST',
    path: '/v1/drivers/driver-1/location',
    body: position,
    success: 202,
  },
  {
    name: 'send a backlog',
    method: 'POST',
    path: '/v1/drivers/driver-1/locations',
    body: [position],
    success: 202,
  },
  {
    name: 'set a status',
    method: 'PUT',
    path: '/v1/drivers/driver-1/status',
    body: { status: 'BUSY' },
    success: 200,
  },
  { name: 'read the latest position', method: 'GET', path: '/v1/drivers/driver-1/location', success: 200 },
  { name: 'read the history', method: 'GET', path: '/v1/drivers/driver-1/history', success: 200 },
  {
    name: 'look who is nearby',
    method: 'GET',
    path: '/v1/drivers/nearby?latitude=48.2&longitude=16.37',
    success: 200,
  },
];

const write = routes.slice(0, 3).map(({ name }) => name);
const read = routes.slice(3, 5).map(({ name }) => name);
const nearby = routes.slice(5).map(({ name }) => name);

const may: [Role, string, string[]][] = [
  ['DRIVER', 'driver-1', [...write, ...read]],
  ['DRIVER', 'driver-2', []],
  ['RIDER', 'driver-1', []],
  ['VIEWER', 'driver-1', []],
  ['OPERATOR', 'operator-1', [...read, ...nearby]],
  ['SERVICE', 'service-1', [...write, ...read, ...nearby]],
];

describe('of driver-1', () => {
  beforeAll(async () => {
    const service = caller(platform, await token('SERVICE', 'seed'));
    await service.post('/v1/drivers/driver-1/location', position);
  });

  for (const [role, sub, allowed] of may) {
    for (const { name, method, path, body, success } of routes) {
      const isAllowed = allowed.includes(name);
      test(`a ${role} called ${sub} ${isAllowed ? 'may' : 'may not'} ${name}`, async () => {
        const trips = role === 'VIEWER' ? { trips: ['00000000-0000-4000-8000-000000000000'] } : {};
        const answer = await request(platform, await token(role, sub, trips), method, path, body);
        if (isAllowed) expect(answer.status).toBe(success);
        else expectProblem(answer, 403, 'FORBIDDEN');
      });
    }
  }

  test('what was refused is not stored', async () => {
    const { get, post } = caller(platform, await token('SERVICE', 'service-1'));
    await request(
      platform,
      await token('DRIVER', 'driver-2'),
      'POST',
      '/v1/drivers/driver-3/location',
      position,
    );
    await post('/v1/drivers/driver-3/location', { ...position, speed: 7 });
    const { body } = await get('/v1/drivers/driver-3/history');
    expect(body).toEqual({ items: [expect.objectContaining({ speed: 7 })], nextCursor: null });
  });
});

describe('401 with WWW-Authenticate for', () => {
  const payload = { sub: 'service-1', role: 'SERVICE', exp: Math.floor(Date.now() / 1000) + 600 };
  const bearer = (value: string) => `Bearer ${value}`;
  const authorizations: [string, string | undefined][] = [
    ['no token', undefined],
    ['an empty one', 'Bearer '],
    ['garbage', bearer('garbage')],
    ['three parts of garbage', bearer('a.b.c')],
    ['another scheme', `Basic ${Buffer.from('driver-1:secret').toString('base64')}`],
    ['a token without its scheme', jwt.sign(payload, TEST_SECRET)],
    ['two tokens', bearer(`${jwt.sign(payload, TEST_SECRET)} ${jwt.sign(payload, TEST_SECRET)}`)],
    ['another secret', bearer(jwt.sign(payload, `${TEST_SECRET}x`))],
    ['alg none', bearer(jwt.sign(payload, '', { algorithm: 'none' }))],
    ['another algorithm', bearer(jwt.sign(payload, TEST_SECRET, { algorithm: 'HS512' }))],
    ['an expired one', bearer(jwt.sign({ ...payload, exp: payload.exp - 700 }, TEST_SECRET))],
    ['one that never expires', bearer(jwt.sign({ sub: 'service-1', role: 'SERVICE' }, TEST_SECRET))],
    ['one that is not valid yet', bearer(jwt.sign({ ...payload, nbf: payload.exp - 60 }, TEST_SECRET))],
    ['an unknown role', bearer(jwt.sign({ ...payload, role: 'ADMIN' }, TEST_SECRET))],
    ['roles', bearer(jwt.sign({ ...payload, role: ['SERVICE'] }, TEST_SECRET))],
    ['a sub with a wildcard', bearer(jwt.sign({ ...payload, sub: '+' }, TEST_SECRET))],
    ['9000 characters', bearer(jwt.sign({ ...payload, padding: 'x'.repeat(6600) }, TEST_SECRET))],
  ];

  test.each(authorizations)('%s, on every route', async (_name, authorization) => {
    for (const { method, path, body } of routes) {
      const response = await fetch(`${platform.urls.rest}${path}`, {
        method,
        headers: {
          ...(authorization === undefined ? {} : { authorization }),
          'content-type': 'application/json',
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const answer = { status: response.status, headers: response.headers, body: await response.json() };
      expectProblem(answer, 401, 'UNAUTHORIZED');
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer\b/);
    }
  });

  test('a token in the query string: addresses stand in logs', async () => {
    const good = await token('SERVICE', 'service-1');
    for (const name of ['token', 'access_token']) {
      const answer = await request(
        platform,
        undefined,
        'GET',
        `/v1/drivers/driver-1/location?${name}=${good}`,
      );
      expectProblem(answer, 401, 'UNAUTHORIZED');
    }
  });

  test('nobody else: the scheme may be written in small letters', async () => {
    const response = await fetch(`${platform.urls.rest}/v1/drivers/driver-1/location`, {
      headers: { authorization: `bearer ${await token('SERVICE', 'service-1')}` },
    });
    await response.arrayBuffer();
    expect(response.status).toBe(200);
  });
});
