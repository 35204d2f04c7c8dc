import { access, constants } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { type ComposeService, readCompose } from '../support/deploy/compose.ts';
import { HandMadeImage } from '../support/deploy/image.ts';
import { connectClient } from '../support/mqtt-client.ts';
import { type Platform, request, TEST_SECRET, token, untilReady } from '../support/platform.ts';
import { eventually, newPrefix } from '../support/redis.ts';
import { freePort } from '../support/services/free-port.ts';

let image: HandMadeImage;

beforeAll(async () => {
  image = await HandMadeImage.build();
}, 300_000);
afterAll(() => image?.remove());

/** Free ports on this machine alone: a container has a network of its own, a test has not. */
async function ownPorts(): Promise<Record<string, string>> {
  return {
    HOST: '127.0.0.1',
    MQTT_PORT: '0',
    MQTT_WS_PORT: '0',
    API_PORT: '0',
    METRICS_PORT: String(await freePort()),
  };
}

const position = { latitude: 48.2082, longitude: 16.3738 };

test('the image has what runs, and nothing that its user could change', async () => {
  const { status, stdout } = await image.run(['id', '-u'], {});
  expect(status).toBe(0);
  expect(stdout.trim()).not.toBe('0');
  await expect(access(image.path('/app/dist/main.js'), constants.R_OK)).resolves.toBeUndefined();
  for (const left of ['node_modules/typescript', 'node_modules/jest', 'tests', 'main.ts'])
    await expect(access(image.path(`/app/${left}`))).rejects.toThrow('ENOENT');
  const written = await image.run(['touch', 'dist/main.js', 'node_modules/new'], {});
  expect(written.status).not.toBe(0);
  expect((await image.run(['touch', image.path('/data/new')], {})).status).toBe(0);
});

describe('as it is, with nothing beside it', () => {
  let platform: Platform;
  let env: Record<string, string>;

  beforeAll(async () => {
    env = { ...(await ownPorts()), JWT_SECRET: TEST_SECRET };
    platform = await untilReady(image.start(image.command('CMD'), env));
  });
  afterAll(() => platform?.kill());

  test('it is ready, and its health check says so', async () => {
    const ready = await fetch(`${platform.urls.metrics}/health/ready`);
    expect(await ready.json()).toMatchObject({ status: 'ok', checks: { database: 'ok', broker: 'ok' } });
    expect(await image.run(image.command('HEALTHCHECK'), env)).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('"status":"ok"'),
    });
  });

  test('it stores a position, and finds it', async () => {
    const driver = await connectClient(platform.urls.ws, await token('DRIVER', 'bob'));
    await driver.client.publishAsync('drivers/bob/location', JSON.stringify(position), { qos: 1 });
    await driver.end();
    const nearby = await request(
      platform,
      await token('OPERATOR', 'ops'),
      'GET',
      `/v1/drivers/nearby?latitude=48.2&longitude=16.37&radius=2000`,
    );
    expect(nearby.body).toMatchObject({ items: [{ driverId: 'bob', ...position }] });
  });

  test.each([
    '/docs',
    '/docs/assets/swagger-ui-bundle.js',
    '/redoc/assets/redoc.standalone.js',
    '/asyncapi.json',
  ])('it serves %s', async (path) => {
    expect((await fetch(`${platform.urls.rest}${path}`)).status).toBe(200);
  });

  test('its commands are there', async () => {
    const made = await image.run(['node', 'dist/tools/token.js', '--role', 'DRIVER', '--sub', 'bob'], env);
    expect(made).toMatchObject({ status: 0, stderr: '' });
    const answer = await request(platform, made.stdout.trim(), 'GET', '/v1/drivers/bob/location');
    expect(answer.status).toBe(200);
  });

  test('it stops when it is told to, and its health check says that it is gone', async () => {
    expect(await platform.stop()).toBe(0);
    expect(await image.run(image.command('HEALTHCHECK'), env)).toMatchObject({
      status: 1,
      stderr: 'no answer (ECONNREFUSED)\n',
    });
  });
});

describe('as docker-compose.yml runs it', () => {
  const { services } = readCompose({ JWT_SECRET: TEST_SECRET });
  let database: TestDatabase;
  let stores: Record<string, string>;
  const running = new Map<string, { platform: Platform; env: Record<string, string> }>();

  /** What it says, over the stores and the ports of the tests. */
  async function start(name: string): Promise<Platform> {
    const { environment = {}, command } = services[name] as ComposeService;
    const env = { ...environment, ...(await ownPorts()), ...stores };
    const platform = await untilReady(image.start(command ?? image.command('CMD'), env));
    running.set(name, { platform, env });
    return platform;
  }

  beforeAll(async () => {
    database = await createTestDatabase();
    stores = {
      DATABASE_URL: database.url,
      REDIS_URL: process.env.TEST_REDIS_URL ?? '',
      REDIS_PREFIX: newPrefix(),
    };
  });
  afterAll(async () => {
    await Promise.all([...running.values()].map(({ platform }) => platform.kill()));
    await database?.drop();
  });

  test('the migration runs to its end', async () => {
    const { command = [] } = services.migrate as ComposeService;
    const ended = await image.run(command, { DATABASE_URL: database.url });
    expect(ended).toMatchObject({ status: 0, stdout: expect.stringContaining('0001_positions') });
    expect(await image.run(command, { DATABASE_URL: database.url })).toMatchObject({
      status: 0,
      stdout: 'nothing to migrate\n',
    });
  });

  test('two brokers, ingest and api become healthy', async () => {
    await Promise.all(['broker-1', 'broker-2', 'ingest', 'api'].map(start));
    for (const [name, { env }] of running) {
      const [, ...check] = services[name]?.healthcheck?.test ?? [];
      expect(await image.run(check, env)).toMatchObject({ status: 0 });
    }
  });

  test('a position goes from one broker to the other, and to the database', async () => {
    const [first, second, api] = ['broker-1', 'broker-2', 'api'].map((name) => running.get(name)?.platform);
    const operator = await connectClient(second?.urls.mqtt ?? '', await token('OPERATOR', 'ops'));
    await operator.client.subscribeAsync('drivers/+/location', { qos: 1 });
    const driver = await connectClient(first?.urls.mqtt ?? '', await token('DRIVER', 'bob'));
    await driver.client.publishAsync('drivers/bob/location', JSON.stringify(position), { qos: 1 });
    await operator.next(({ topic }) => topic === 'drivers/bob/location');
    await Promise.all([driver.end(), operator.end()]);
    const service = await token('SERVICE', 'booking');
    const history = () => request(api as Platform, service, 'GET', '/v1/drivers/bob/history');
    const { body } = await eventually(
      history,
      (found) => (found.body as { items: unknown[] }).items.length > 0,
    );
    expect(body).toMatchObject({ items: [position] });
  });

  test('each of them stops when it is told to', async () => {
    const ended = await Promise.all([...running.values()].map(({ platform }) => platform.stop()));
    expect(ended).toEqual([0, 0, 0, 0]);
  });
});
