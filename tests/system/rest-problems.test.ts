import { request as httpRequest } from 'node:http';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { type Platform, startPlatform, token } from '../support/platform.ts';
import { type Answer, caller, expectProblem, wrongFields } from '../support/rest.ts';

let database: TestDatabase;
let platform: Platform;
let service: ReturnType<typeof caller>;
let authorization: string;

beforeAll(async () => {
  database = await createMigratedDatabase();
  platform = await startPlatform({ DATABASE_URL: database.url });
  const bearer = await token('SERVICE', 'service-1');
  authorization = `Bearer ${bearer}`;
  service = caller(platform, bearer);
});
afterAll(async () => {
  await platform?.stop();
  await database?.drop();
});

const place = { latitude: 48.2, longitude: 16.37 };
const location = '/v1/drivers/driver-1/location';

type Sent = { method?: string; headers?: Record<string, string>; body?: string | Buffer };

/** Node's own client: fetch would tidy up the path and the headers. */
async function send(path: string, { method = 'GET', headers = {}, body }: Sent = {}): Promise<Answer> {
  const {
    status,
    headers: answered,
    raw,
  } = await sendForText(path, { method, headers, ...(body && { body }) });
  return { status, headers: answered, body: raw === '' ? undefined : JSON.parse(raw) };
}

function sendForText(
  path: string,
  { method = 'GET', headers = {}, body }: Sent,
): Promise<{ status: number; headers: Headers; raw: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { host: '127.0.0.1', port: platform.ports.api, path, method, headers: { authorization, ...headers } },
      (response) => {
        const answered = new Headers();
        for (const [name, value] of Object.entries(response.headers)) answered.set(name, String(value));
        text(response).then(
          (raw) => resolve({ status: response.statusCode ?? 0, headers: answered, raw }),
          reject,
        );
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

const post = (body: string | Buffer, headers: Record<string, string> = {}, path = location) =>
  send(path, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });

describe('a body', () => {
  test.each([
    ['half of JSON', '{"latitude":'],
    ['JavaScript', '{latitude:1}'],
    ['NaN', '{"latitude":NaN,"longitude":1}'],
    ['two values', '{}{}'],
    ['nothing but spaces', '  '],
    ['bytes that are no UTF-8', Buffer.from([0x22, 0xff, 0xfe])],
  ])('that is %s is no JSON', async (_name, body) => {
    expectProblem(await post(body), 400, 'INVALID_PAYLOAD');
  });

  test.each([
    ['null', 'null'],
    ['an array', '[]'],
    ['a text', '"x"'],
    ['a number', '1'],
    ['true', 'true'],
  ])('that is %s is no position', async (_name, body) => {
    expect(wrongFields(expectProblem(await post(body), 400, 'INVALID_PAYLOAD'))).toEqual(['']);
  });

  test('that is missing lacks what a position needs', async () => {
    const problem = expectProblem(await post(''), 400, 'INVALID_PAYLOAD');
    expect(wrongFields(problem)).toEqual(['/latitude', '/longitude']);
  });

  test('with a number that is too large for one is refused by its field', async () => {
    const problem = expectProblem(await post('{"latitude":1e400,"longitude":1}'), 400, 'INVALID_PAYLOAD');
    expect(wrongFields(problem)).toEqual(['/latitude']);
  });

  test('nested 10,000 deep is refused as anything else', async () => {
    const deep = `${'['.repeat(10_000)}${']'.repeat(10_000)}`;
    const problem = expectProblem(await post(`{"latitude":${deep},"longitude":1}`), 400, 'INVALID_PAYLOAD');
    expect(wrongFields(problem)).toEqual(['/latitude']);
  });

  test('may have fields with names of prototypes, which say nothing', async () => {
    const body = '{"__proto__":{"speed":5},"constructor":{"latitude":1},"latitude":48.2,"longitude":16.37}';
    expect((await post(body, {}, '/v1/drivers/proto/location')).status).toBe(202);
    const { body: latest } = await service.get('/v1/drivers/proto/location');
    expect(latest).toMatchObject(place);
    expect(latest).not.toHaveProperty('speed');
  });

  test.each([
    ['text/plain', { 'content-type': 'text/plain' }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['of no type', { 'content-type': '' }],
    ['of a type that is none', { 'content-type': 'json' }],
    ['in another charset', { 'content-type': 'application/json; charset=iso-8859-1' }],
    ['in an unknown encoding', { 'content-encoding': 'zip' }],
  ])('as %s is 415', async (_name, headers) => {
    expectProblem(await post(JSON.stringify(place), headers), 415, 'UNSUPPORTED_MEDIA_TYPE');
  });

  test('is 413 above 64 KiB, and a batch above 1 MiB', async () => {
    const padded = (bytes: number) => JSON.stringify(place).padEnd(bytes);
    const batch = (bytes: number) => JSON.stringify([place]).padEnd(bytes);
    const locations = '/v1/drivers/driver-1/locations';
    expectProblem(await post(padded(65_537)), 413, 'PAYLOAD_TOO_LARGE');
    expectProblem(await post(batch(1_048_577), {}, locations), 413, 'PAYLOAD_TOO_LARGE');
    expect((await post(padded(65_536))).status).toBe(202);
    expect((await post(batch(1_048_576), {}, locations)).status).toBe(202);
  });

  test('may be compressed, but is measured unpacked, and must be what it says', async () => {
    const gzip = { 'content-encoding': 'gzip' };
    expect((await post(gzipSync(JSON.stringify(place)), gzip)).status).toBe(202);
    const bomb = gzipSync(Buffer.alloc(50_000_000, ' '));
    expect(bomb.length).toBeLessThan(65_536);
    expectProblem(await post(bomb, gzip), 413, 'PAYLOAD_TOO_LARGE');
    expectProblem(await post('not gzip', gzip), 400, 'INVALID_PAYLOAD');
  });
});

describe('a driver id', () => {
  test.each([
    ['SQL', encodeURIComponent("'; drop table location_history; --")],
    ['a path', '..%2f..%2fetc%2fpasswd'],
    ['with an encoded slash', 'a%2Fb'],
    ['with NUL', 'a%00b'],
    ['with a space', 'a%20b'],
    ['a wildcard', '+'],
    ['another wildcard', '%23'],
    ['of the broker', '$SYS'],
    ['with an accent', 'andr%C3%A9'],
    ['of 65 characters', 'a'.repeat(65)],
    ['of 10,000 characters', 'a'.repeat(10_000)],
  ])('that is %s is refused on every route', async (_name, id) => {
    for (const route of ['location', 'history']) {
      const problem = expectProblem(await send(`/v1/drivers/${id}/${route}`), 400, 'INVALID_PARAMETER');
      expect(wrongFields(problem)).toEqual(['driverId']);
    }
    expectProblem(await post('{}', {}, `/v1/drivers/${id}/locations`), 400, 'INVALID_PARAMETER');
  });

  test.each(['%ff', '%', '%zz', '%c3'])('%s is no UTF-8', async (id) => {
    expectProblem(await send(`/v1/drivers/${id}/location`), 400, 'INVALID_PARAMETER');
  });

  test.each(['__proto__', 'constructor', 'hasOwnProperty', 'a'.repeat(64)])(
    'may be %s: a name as any other',
    async (id) => {
      expectProblem(await send(`/v1/drivers/${id}/location`), 404, 'NOT_FOUND');
      expect((await post(JSON.stringify(place), {}, `/v1/drivers/${id}/location`)).status).toBe(202);
      expect((await send(`/v1/drivers/${id}/location`)).body).toMatchObject({ driverId: id });
    },
  );
});

describe('a path', () => {
  test.each([
    '/',
    '/v1',
    '/v1/',
    '/v1/nothing',
    '/v1/drivers',
    '/v1/drivers/a',
    '/v1/drivers/a/b',
    '/v2/x',
    '/%ff',
  ])('%s that there is not is 404', async (path) => {
    expectProblem(await send(path), 404, 'NOT_FOUND');
  });

  test.each([
    [location, 'DELETE', ['GET', 'HEAD', 'POST']],
    ['/v1/drivers/driver-1/locations', 'GET', ['POST']],
    ['/v1/drivers/driver-1/status', 'POST', ['PUT']],
    ['/v1/drivers/nearby', 'POST', ['GET', 'HEAD']],
    ['/health', 'POST', ['GET', 'HEAD']],
    ['/health/ready', 'TRACE', ['GET', 'HEAD']],
  ])('%s with %s is 405, with Allow', async (path, method, allowed) => {
    const answer = await send(path, { method });
    expectProblem(answer, 405, 'METHOD_NOT_ALLOWED');
    const allow = answer.headers.get('allow')?.split(', ') ?? [];
    expect(allow).toEqual(expect.arrayContaining(allowed));
    expect(allow).not.toContain(method);
  });

  test('does not take another method from a header', async () => {
    const headers = { 'x-http-method-override': 'DELETE', 'x-method-override': 'DELETE' };
    expect((await post(JSON.stringify(place), headers)).status).toBe(202);
  });

  test('answers HEAD as GET, without the body', async () => {
    await post(JSON.stringify(place));
    const get = await send(location);
    const head = await sendForText(location, { method: 'HEAD' });
    expect({ status: head.status, raw: head.raw }).toEqual({ status: get.status, raw: '' });
    expect(head.headers.get('content-type')).toBe(get.headers.get('content-type'));
    expect(Number(head.headers.get('content-length'))).toBeGreaterThan(0);
    expect((await sendForText('/v1/drivers/nobody/location', { method: 'HEAD' })).status).toBe(404);
  });
});

test('answers are not for caches, and not for pages of other origins unless configured', async () => {
  const { headers } = await send(location, { headers: { origin: 'https://evil.example' } });
  expect(headers.get('cache-control')).toBe('no-store');
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('x-powered-by')).toBeNull();
  expect(headers.get('access-control-allow-origin')).toBeNull();
});
