import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Statistics } from '../../tools/simulate/ledger/statistics.ts';
import { RestClient } from '../../tools/simulate/rest.ts';

type Reply = { status: number; body?: object; headers?: Record<string, string> };

let server: Server;
let replies: Reply[];
let requests: {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingHttpHeaders;
  body: string;
}[];
let notes: string[];
let statistics: Statistics;
let client: RestClient;

beforeEach(async () => {
  replies = [];
  requests = [];
  notes = [];
  statistics = new Statistics();
  server = createServer((request, response) => {
    text(request).then((body) => {
      const { method, url, headers } = request;
      requests.push({ method, url, headers, body });
      const { status, body: answer = {}, headers: more = {} } = replies.shift() ?? { status: 200 };
      response.writeHead(status, { 'content-type': 'application/json', ...more }).end(JSON.stringify(answer));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = new RestClient({ baseUrl, statistics, note: (note) => notes.push(note) });
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

describe('the REST client of a simulation', () => {
  test('waits as long as a 429 says, tells so, and asks again with the same Idempotency-Key', async () => {
    replies = [
      { status: 429, body: { code: 'RATE_LIMITED' }, headers: { 'retry-after': '1' } },
      { status: 201, body: { id: 'trip-1' } },
    ];
    const startedAt = performance.now();
    const answer = await client.request('token', 'POST', '/v1/trips', { riderId: 'rider-1' });
    expect(performance.now() - startedAt).toBeGreaterThan(900);
    expect(answer).toEqual({ status: 201, body: { id: 'trip-1' } });
    expect(notes.join()).toContain('API_RATE_LIMIT_PER_MINUTE=0');
    expect(Object.fromEntries(statistics.errors)).toEqual({ 'REST 429 RATE_LIMITED': 1 });
    const keys = requests.map(({ headers }) => headers['idempotency-key']);
    expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(keys[1]).toBe(keys[0]);
    expect(requests[1]).toMatchObject({ method: 'POST', url: '/v1/trips', body: '{"riderId":"rider-1"}' });
    expect(requests[1]?.headers.authorization).toBe('Bearer token');
  });

  test('asks a platform again that can not just now', async () => {
    replies = [
      { status: 503, body: { code: 'UNAVAILABLE' } },
      { status: 200, body: { ok: true } },
    ];
    expect(await client.request('token', 'GET', '/v1/trips/x')).toEqual({ status: 200, body: { ok: true } });
    expect(requests).toHaveLength(2);
  });

  test('asks a platform again that hangs up', async () => {
    server.once('connection', (socket) => socket.destroy());
    expect(await client.request('token', 'GET', '/v1/trips/x')).toEqual({ status: 200, body: {} });
    expect([...statistics.errors.keys()]).toEqual([expect.stringMatching(/^REST /)]);
  });

  test('gives back what is wrong with the request itself, and does not ask again', async () => {
    replies = [{ status: 409, body: { code: 'INVALID_TRANSITION' } }];
    expect(await client.request('token', 'PATCH', '/v1/trips/x', {})).toEqual({
      status: 409,
      body: { code: 'INVALID_TRANSITION' },
    });
    expect(requests).toHaveLength(1);
  });

  test('has a bounded number of requests on their way, and answers all', async () => {
    let open = 0;
    let most = 0;
    server.removeAllListeners('request');
    server.on('request', (_request, response) => {
      most = Math.max(most, ++open);
      setImmediate(() => {
        open--;
        response.writeHead(200).end('{}');
      });
    });
    const all = Array.from({ length: 100 }, (_, index) => client.request('token', 'GET', `/${index}`));
    expect((await Promise.all(all)).every(({ status }) => status === 200)).toBe(true);
    expect(most).toBeLessThanOrEqual(24);
    expect(statistics.requests).toBe(100);
  });
});
