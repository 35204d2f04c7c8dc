import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { type Platform, request, startPlatform, token } from '../support/platform.ts';
import { expectProblem } from '../support/rest.ts';

let database: TestDatabase;
let platform: Platform;
let service: string;

beforeAll(async () => {
  database = await createMigratedDatabase();
  platform = await startPlatform({ DATABASE_URL: database.url });
  service = await token('SERVICE', 'service-1');
});
afterAll(async () => {
  await platform?.stop();
  await database?.drop();
});

const send = (method: string, path: string) => request(platform, service, method, path);

test.each([
  ['/v1/drivers/driver-1/location', 'GET, HEAD, POST'],
  ['/v1/trips/x', 'DELETE, GET, HEAD, PATCH'],
  ['/v1/trips/x/status/', 'PATCH'],
  ['/V1/Connections', 'GET, HEAD'],
  ['/health', 'GET, HEAD'],
  ['/openapi.json', 'GET, HEAD'],
  ['/docs', 'GET, HEAD'],
  ['/docs/start.js', 'GET, HEAD'],
  ['/docs/assets/swagger-ui.css', 'GET, HEAD'],
  ['/redoc/assets/redoc.standalone.js', 'GET, HEAD'],
  ['/osmand', 'GET, HEAD, POST'],
  ['/osmand/a.b.c', 'GET, HEAD, POST'],
  ['/owntracks', 'POST'],
  ['/owntracks/a.b.c', 'POST'],
])('%s tells its methods, to OPTIONS and with 405', async (path, allow) => {
  const asked = await send('OPTIONS', path);
  expect({ status: asked.status, body: asked.body }).toEqual({ status: 204, body: undefined });
  expect(asked.headers.get('allow')).toBe(allow);
  const refused = await send('PROPFIND', path);
  expectProblem(refused, 405, 'METHOD_NOT_ALLOWED');
  expect(refused.headers.get('allow')).toBe(allow);
});

test.each(['/', '/v1/nothing', '/docs/nothing'])('%s has no methods to tell', async (path) => {
  expectProblem(await send('OPTIONS', path), 404, 'NOT_FOUND');
});

test.each(['/v1/drivers/driver-1/location', '/health', '/osmand/a.b.c', '/v1/nothing'])(
  'a preflight of %s is answered, without a token, with nothing that it allows',
  async (path) => {
    const answer = await fetch(`${platform.urls.rest}${path}`, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'GET' },
    });
    expect({ status: answer.status, text: await answer.text() }).toEqual({ status: 204, text: '' });
    expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
  },
);
