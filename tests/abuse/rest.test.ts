import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { AbuseStage } from '../support/abuse-stage.ts';
import { request } from '../support/platform.ts';
import { expectProblem, parseAnswer, sendRaw } from '../support/rest.ts';
import { dropoff, pickup, type TripBody, type TripDesk, tripDesk } from '../support/trips.ts';

/** Nobody else is there. */
const place = { latitude: 48.30691234, longitude: 14.28581234 };
/** Links are built from it, whatever a request says of where it goes. */
const PUBLIC_URL = 'https://fleet.test';

let stage: AbuseStage;
let desk: TripDesk;
let service: string;
let victim: TripBody;

beforeAll(async () => {
  stage = await AbuseStage.open({ PUBLIC_URL, OFFLINE_GRACE_MS: '600000' });
  stage.hidePlace(place);
  service = await stage.token('SERVICE', 'service-1');
  desk = tripDesk(stage.fleet.platform);
  const people = { riderId: 'alice', driverId: 'bob' };
  victim = await desk.bookIn('EN_ROUTE', { ...people, pickup: place, metadata: { note: 'of alice' } });
});
afterEach(() => stage?.bystander.expectUndisturbed());
afterAll(() => stage?.close());

const call = (bearer: string, method: string, path: string, body?: unknown) =>
  request(stage.fleet.platform, bearer, method, path, body);

describe('where a request says that it goes to', () => {
  const misleading: Record<string, string[]> = {
    Host: ['Host: evil.example'],
    'X-Forwarded-Host': ['Host: fleet.test', 'X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: gopher'],
    Forwarded: ['Host: fleet.test', 'Forwarded: host=evil.example;proto=http;for=127.0.0.1'],
    'X-Original-URL': [
      'Host: fleet.test',
      'X-Original-URL: /v1/connections',
      'X-Rewrite-URL: /v1/connections',
    ],
  };
  const raw = async (line: string, headers: readonly string[], body = '') => {
    const length = body === '' ? [] : ['Content-Type: application/json', `Content-Length: ${body.length}`];
    const lines = [line, ...headers, `Authorization: Bearer ${service}`, 'Connection: close', ...length];
    return parseAnswer(await sendRaw(stage.fleet.platform.ports.api, `${lines.join('\r\n')}\r\n\r\n${body}`));
  };

  test.each(Object.entries(misleading))('in %s is in no link', async (_name, headers) => {
    const share = await raw(`POST /v1/trips/${victim.id}/share HTTP/1.1`, headers);
    expect(share.body).toMatchObject({ url: expect.stringMatching(/^https:\/\/fleet\.test\/track#/) });
    stage.hide((share.body as { token: string }).token);
    const booked = await raw(
      'POST /v1/trips HTTP/1.1',
      headers,
      JSON.stringify({ riderId: 'mia', pickup, dropoff }),
    );
    expect(booked.headers.get('location')).toBe(`/v1/trips/${(booked.body as TripBody).id}`);
  });

  test('in the first line is in no link either', async () => {
    const share = await raw(`POST http://evil.example/v1/trips/${victim.id}/share HTTP/1.1`, [
      'Host: evil.example',
    ]);
    expect(JSON.stringify(share)).not.toContain('evil');
  });

  test.each([
    '//evil.example/%2e%2e',
    '/\\evil.example',
    '//evil.example/docs/',
    '/docs//evil.example/..',
    '/docs/%5cevil.example',
  ])('%s redirects nobody to elsewhere', async (path) => {
    const text = await sendRaw(
      stage.fleet.platform.ports.api,
      `GET ${path} HTTP/1.1\r\nHost: fleet.test\r\nConnection: close\r\n\r\n`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 4/);
    expect(text).not.toMatch(/^location:/im);
  });
});

describe('a line break', () => {
  const evil = 'x\r\nSet-Cookie: evil=1\r\n\r\n<script>';
  const encoded = encodeURIComponent(evil);

  test.each([
    `/v1/trips/${encoded}`,
    `/v1/drivers/${encoded}/location`,
    `/v1/drivers/bob/history?format=${encoded}`,
    `/v1/drivers/bob/history?cursor=${encoded}`,
    `/v1/trips?status=${encoded}&${encoded}=1`,
    `/v1/connections?sub=${encoded}`,
    `/docs/${encoded}`,
    `/osmand/${encoded}`,
    `/${encoded}`,
  ])('in %s makes no header', async (path) => {
    const response = await fetch(`${stage.fleet.platform.urls.rest}${path}`, {
      headers: { authorization: `Bearer ${service}` },
    });
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(response.status).toBeLessThan(500);
    expect(response.headers.has('set-cookie')).toBe(false);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  });

  test('in what is kept comes back as it was, and in the log as no line of its own', async () => {
    const metadata = { [evil]: evil, forged: '\n{"level":60,"msg":"forged"}\n' };
    const { body } = await call(service, 'POST', '/v1/trips', {
      riderId: 'eve',
      pickup: { ...pickup, address: evil },
      dropoff,
      metadata,
    });
    const { id } = body as TripBody;
    await call(service, 'PATCH', `/v1/trips/${id}/status`, { status: 'CANCELLED', reason: evil });
    expect(await desk.trip(id)).toMatchObject({ metadata, cancelReason: evil, pickup: { address: evil } });
    expect((await desk.events(id)).at(-1)).toMatchObject({ reason: evil });
  });
});

describe('a body that', () => {
  const send = async (headers: Record<string, string>, body: string | Buffer) => {
    const response = await fetch(`${stage.fleet.platform.urls.rest}/v1/trips`, {
      method: 'POST',
      headers: { authorization: `Bearer ${service}`, 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : new Uint8Array(body),
    });
    return { status: response.status, headers: response.headers, body: await response.json() };
  };

  const large = Buffer.alloc(50_000_000, ' ');
  test.each([
    ['gzip', () => gzipSync(large)],
    ['deflate', () => deflateSync(large)],
    ['br', () => brotliCompressSync(large, { params: { [constants.BROTLI_PARAM_QUALITY]: 3 } })],
  ])('is small and unpacks to 50 MB (%s) is 413', async (encoding, pack) => {
    const packed = pack();
    expect(packed.length).toBeLessThan(65_536);
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => send({ 'content-encoding': encoding }, packed)),
    );
    for (const answer of answers) expectProblem(answer, 413, 'PAYLOAD_TOO_LARGE');
  });

  test('is packed twice is 415', async () => {
    const twice = gzipSync(gzipSync(large));
    expectProblem(await send({ 'content-encoding': 'gzip, gzip' }, twice), 415, 'UNSUPPORTED_MEDIA_TYPE');
  });

  test.each([
    ['__proto__', '{"__proto__":{"isAdmin":true},"a":1}'],
    ['constructor', '{"constructor":{"prototype":{"isAdmin":true}},"a":1}'],
  ])('has %s in its metadata has it as data, and as nothing else', async (_name, metadata) => {
    const text = `{"riderId":"eve","pickup":${JSON.stringify(pickup)},"dropoff":${JSON.stringify(dropoff)},"metadata":${metadata}}`;
    const { status, body } = await send({}, text);
    expect(status).toBe(201);
    expect((body as TripBody).metadata).toEqual(JSON.parse(metadata));
    expect(Object.keys(await desk.trip(victim.id))).not.toContain('isAdmin');
  });

  test.each([
    ['is a list', '[]'],
    ['names a field twice, the last time for another rider', '{"riderId":"eve","riderId":"alice"}'],
    [
      'gives its id, status and version itself',
      '{"riderId":"eve","id":"x","status":"COMPLETED","version":7}',
    ],
  ])('%s books nothing for anybody', async (_name, text) => {
    const eve = await stage.token('RIDER', 'eve');
    const given =
      text === '[]'
        ? text
        : text.replace(/\}$/, `,"pickup":${JSON.stringify(pickup)},"dropoff":${JSON.stringify(dropoff)}}`);
    const answer = await call(eve, 'POST', '/v1/trips', given);
    if (answer.status === 201)
      expect(answer.body).toMatchObject({ riderId: 'eve', status: 'PENDING', version: 1 });
    else expect([400, 403]).toContain(answer.status);
    const { body } = await call(service, 'GET', '/v1/trips?riderId=alice');
    expect((body as { items: TripBody[] }).items.map(({ id }) => id)).toEqual([victim.id]);
  });
});

describe('a request', () => {
  test.each([['X-HTTP-Method-Override'], ['X-HTTP-Method'], ['X-Method-Override']])(
    'is what it is, whatever %s says',
    async (header) => {
      const response = await fetch(`${stage.fleet.platform.urls.rest}/v1/trips/${victim.id}?_method=DELETE`, {
        headers: { authorization: `Bearer ${service}`, [header]: 'DELETE' },
      });
      expect([response.status, ((await response.json()) as TripBody).id]).toEqual([200, victim.id]);
    },
  );

  test.each([
    'limit[$gt]=1',
    'limit[]=1',
    'riderId[$ne]=x',
    'riderId[]=alice&riderId[]=bob',
    `cursor=${encodeURIComponent("' or 1=1 --")}`,
    'limit=1%00',
    'limit=１',
    'limit=9007199254740993',
  ])('with ?%s gets nothing that it should not', async (query) => {
    const eve = await stage.token('RIDER', 'eve');
    const { status, body } = await call(eve, 'GET', `/v1/trips?${query}`);
    if (status === 200)
      for (const trip of (body as { items: TripBody[] }).items) expect(trip.riderId).toBe('eve');
    else expect(status).toBe(400);
  });

  test('with 1,500 parameters is answered as any other', async () => {
    const query = Array.from({ length: 1500 }, (_, n) => `a${n}=${n}`).join('&');
    expect((await call(service, 'GET', `/v1/trips?${query}&limit=1`)).status).toBe(200);
  });

  test.each([
    'Upgrade: h2c\r\nConnection: Upgrade, close',
    'Upgrade: websocket\r\nConnection: Upgrade, close',
    'Expect: 100-continue\r\nConnection: close',
    'Expect: nonsense\r\nConnection: close',
    'Range: bytes=0-\r\nConnection: close',
  ])('with %j is answered, and ends', async (header) => {
    const text = await sendRaw(
      stage.fleet.platform.ports.api,
      `GET /health HTTP/1.1\r\nHost: a\r\n${header}\r\n\r\n`,
    );
    expect(text).not.toMatch(/HTTP\/1\.1 (101|5)/);
  });
});
