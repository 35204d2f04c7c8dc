import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Fleet, startFleet } from '../support/fleet.ts';
import type { LogLine } from '../support/log-lines.ts';
import { connectClient } from '../support/mqtt-client.ts';
import { type Platform, request, TEST_SECRET, token } from '../support/platform.ts';
import { BUSY_MS } from '../support/redis.ts';
import { expectProblem, sendRaw } from '../support/rest.ts';

let fleet: Fleet;
let platform: Platform;
let service: string;

beforeAll(async () => {
  fleet = await startFleet({ PUBLIC_URL: 'https://somebody:with-a-password@fleet.example.org' });
  platform = fleet.platform;
  service = await token('SERVICE', 'service-1');
});
afterAll(() => fleet?.stop());

const lines = (): LogLine[] => platform.output.map((line) => JSON.parse(line) as LogLine);

/** The first line that is so, once it is there: output comes a moment later than what it tells of. */
async function line(isIt: (line: LogLine) => boolean): Promise<LogLine> {
  for (const limit = Date.now() + BUSY_MS; Date.now() < limit; ) {
    const found = lines().find(isIt);
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`no such line:\n${platform.output.join('\n')}`);
}

const setLevel = async (wish: object) => {
  const url = `${platform.urls.metrics}/log-level`;
  const { status } = await fetch(url, { method: 'PUT', body: JSON.stringify(wish) });
  expect(status).toBe(200);
};

test('the start tells what runs, and how it differs from what is usual, without secrets', async () => {
  const [first] = lines();
  expect(first).toMatchObject({
    msg: 'starting',
    role: 'all',
    version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
    settings: { MQTT_PORT: '0', JWT_SECRET: '[Redacted]', PUBLIC_URL: 'https://…@fleet.example.org' },
  });
  expect(Object.keys(first?.settings as object)).not.toContain('HOST');
  const output = platform.output.join('\n');
  for (const secret of [TEST_SECRET, 'with-a-password']) expect(output).not.toContain(secret);
});

describe('a request', () => {
  test('has one line that tells how it went, once the level is debug; without what was asked for', async () => {
    await setLevel({ level: 'debug' });
    const id = 'a-request_1';
    const answer = await fetch(`${platform.urls.rest}/v1/drivers/driver-77/location?latitude=48.2081`, {
      headers: { authorization: `Bearer ${service}`, 'x-request-id': id },
    });
    await answer.text();
    expect(await line(({ requestId }) => requestId === id)).toMatchObject({
      msg: 'request answered',
      method: 'GET',
      route: '/v1/drivers/{driverId}/location',
      status: 404,
      ms: expect.any(Number),
    });
    expect(platform.output.join('\n')).not.toContain('48.2081');
    await setLevel({ level: 'info' });
  });

  test.each(['/v1/nothing', '/v1/trips?limit=x'])(
    'that is refused has its id in the problem: %s',
    async (path) => {
      const answer = await request(platform, service, 'GET', path);
      const id = answer.headers.get('x-request-id');
      const { status } = answer;
      expect(expectProblem(answer, status, status === 404 ? 'NOT_FOUND' : 'INVALID_PARAMETER')).toMatchObject(
        {
          instance: `urn:fleetcast:request:${id}`,
        },
      );
    },
  );

  test('has one also where it is no HTTP', async () => {
    const answer = await sendRaw(platform.ports.api, 'NONSENSE\r\n\r\n');
    const [, id] = /^X-Request-Id: ([0-9a-f-]{36})\r$/m.exec(answer) ?? [];
    expect(id).toBeDefined();
    expect(answer).toContain(`"instance":"urn:fleetcast:request:${id}"`);
  });

  test('that revokes is told with its id, and whom it closed with the ids that /v1/connections gave', async () => {
    const driver = await connectClient(platform.urls.mqtt, await token('DRIVER', 'driver-8'));
    const listed = async () => {
      const { body } = await request(platform, service, 'GET', '/v1/connections?sub=driver-8');
      return (body as { items: { id: string }[] }).items[0]?.id;
    };
    let connectionId = await listed();
    while (connectionId === undefined) connectionId = await listed();
    const closed = new Promise((resolve) => driver.client.once('close', () => resolve(undefined)));
    const until = new Date(Date.now() + 60_000).toISOString();
    const { headers } = await request(platform, service, 'POST', '/v1/revocations', {
      sub: 'driver-8',
      until,
    });
    await closed;
    await driver.end();
    expect(await line(({ msg }) => msg === 'tokens revoked')).toMatchObject({
      requestId: headers.get('x-request-id'),
      kind: 'sub',
      value: 'driver-8',
      by: 'service-1',
    });
    expect(await line(({ msg }) => msg === 'connection closed by us')).toMatchObject({
      connectionId,
      sub: 'driver-8',
      reason: 'REVOKED',
    });
  });
});

describe('a stranger who fails over and over', () => {
  test('fills no disk: a few lines, each with the id of its connection', async () => {
    const expired = await token('DRIVER', 'driver-9', { ttlSeconds: -10 });
    for (let tries = 0; tries < 20; tries++)
      await expect(connectClient(platform.urls.mqtt, expired)).rejects.toMatchObject({ code: 4 });
    const refused = lines().filter(({ msg }) => msg === 'login refused');
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThanOrEqual(5);
    expect(new Set(refused.map(({ connectionId }) => connectionId)).size).toBe(refused.length);
    for (const { connectionId } of refused) expect(connectionId).toMatch(/^[0-9a-f-]{36}$/);
  });
});

test('nothing is told of a position above trace, and at trace not where it was', async () => {
  await setLevel({ level: 'debug' });
  const before = platform.output.length;
  const driver = await connectClient(platform.urls.mqtt, await token('DRIVER', 'driver-2'));
  const place = { latitude: 48.20813577, longitude: 16.37159246 };
  for (let n = 0; n < 20; n++)
    await driver.client.publishAsync('drivers/driver-2/location', JSON.stringify(place), { qos: 1 });
  expect((await request(platform, service, 'POST', '/v1/drivers/driver-2/location', place)).status).toBe(202);
  await driver.end();
  await line(({ msg, sub }) => msg === 'connection closed' && sub === 'driver-2');
  const ours = lines()
    .slice(before)
    .filter(({ msg }) => !msg.startsWith('connection') && msg !== 'the log level has changed');
  expect(ours).toEqual([]);
  await setLevel({ level: 'trace' });
  await request(platform, service, 'POST', '/v1/drivers/driver-2/location', place);
  await line(({ msg, route }) => msg === 'request answered' && route === '/v1/drivers/{driverId}/location');
  expect(platform.output.join('\n')).not.toMatch(/48\.208|16\.371/);
  await setLevel({ level: 'info' });
});

test('the end is told once, with what was held back before it', async () => {
  await fleet.stop();
  const heldBack = await line(({ msg }) => msg === 'more of the same');
  for (const msg of ['stopping', 'stopped']) expect(lines().filter((one) => one.msg === msg)).toHaveLength(1);
  expect(heldBack).toMatchObject({
    of: 'login refused',
    more: 15,
    mostFrom: '127.0.0.1',
  });
});
