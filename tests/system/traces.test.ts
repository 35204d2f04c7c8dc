import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { provideDatabase } from '../support/embedded-database.ts';
import { connectClient } from '../support/mqtt-client.ts';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { type Platform, request, startPlatform, temporaryDataDir, token } from '../support/platform.ts';
import { PlatformCluster } from '../support/platform-cluster.ts';

const LIST_MODULES = fileURLToPath(new URL('../support/list-modules.mjs', import.meta.url));
const SERVER = 2;
const CLIENT = 3;
const PRODUCER = 4;
const CONSUMER = 5;

/** Nobody else has these figures: where they turn up, a position has. */
const place = { latitude: 48.20813577, longitude: 16.37159246 };

const settings = (collector: OtlpReceiver) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=fleet',
  OTEL_EXPORTER_OTLP_TIMEOUT: '60000',
  OTEL_BSP_SCHEDULE_DELAY: '50',
  OTEL_SERVICE_NAME: 'vehicles',
  OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
});

async function publish(platform: Platform, driverId: string): Promise<string> {
  const bearer = await token('DRIVER', driverId);
  const { client, end } = await connectClient(platform.urls.mqtt, bearer);
  await client.publishAsync(`drivers/${driverId}/location`, JSON.stringify(place), { qos: 1 });
  await end();
  return bearer;
}

/** The steps of the position that a publish brought, from there on. */
async function stepsOf(collector: OtlpReceiver): Promise<Record<string, ReceivedSpan>> {
  const published = await collector.span(({ name }) => name === 'publish drivers/{driverId}/location');
  const { traceId } = published;
  const find = (name: string) => collector.span((span) => span.traceId === traceId && span.name === name);
  return {
    published,
    appended: await find('append position-log'),
    committed: await find('commit position-log'),
    batch: await find('BATCH INSERT location_history'),
    sent: await find('send drivers/{driverId}/location'),
  };
}

function expectSteps({ published, appended, committed, batch, sent }: Record<string, ReceivedSpan>): void {
  expect(published).toMatchObject({
    parentSpanId: '',
    kind: SERVER,
    status: 0,
    attributes: {
      'messaging.system': 'mqtt',
      'messaging.destination.template': 'drivers/{driverId}/location',
      'messaging.message.body.size': JSON.stringify(place).length,
      'fleetcast.mqtt.qos': 1,
      'fleetcast.verdict': 'accepted',
      'fleetcast.connection_id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    },
    resource: { 'service.name': 'vehicles', 'deployment.environment.name': 'test' },
  });
  expect(appended).toMatchObject({ parentSpanId: published?.spanId, kind: PRODUCER, status: 0 });
  expect(sent).toMatchObject({ parentSpanId: published?.spanId, kind: PRODUCER, status: 0 });
  expect(committed).toMatchObject({ parentSpanId: appended?.spanId, kind: CONSUMER, status: 0 });
  expect(batch).toMatchObject({
    parentSpanId: committed?.spanId,
    kind: CLIENT,
    attributes: { 'db.system.name': 'postgresql', 'db.operation.batch.size': 1 },
    links: [{ traceId: committed?.traceId, spanId: committed?.spanId }],
  });
}

describe('in one process, with the embedded database', () => {
  let collector: OtlpReceiver;
  let dataDir: Awaited<ReturnType<typeof temporaryDataDir>>;
  let platform: Platform;
  let bearer: string;

  beforeAll(async () => {
    collector = await startOtlpReceiver();
    dataDir = await temporaryDataDir();
    await provideDatabase(dataDir.path);
    platform = await startPlatform({
      DATA_DIR: dataDir.path,
      NODE_OPTIONS: `--import=${LIST_MODULES}`,
      ...settings(collector),
    });
    bearer = await token('SERVICE', 'service-1');
  }, 180_000);
  afterAll(async () => {
    await platform?.stop();
    await collector?.stop();
    await dataDir?.remove();
  });

  const post = (path: string, body: unknown, traceparent: string) =>
    fetch(`${platform.urls.rest}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json', traceparent },
      body: JSON.stringify(body),
    });

  test('a position that was published is one trace, to its commit and to its subscribers', async () => {
    const driver = await publish(platform, 'driver-1');
    expectSteps(await stepsOf(collector));
    expect(collector.headers()['x-tenant']).toBe('fleet');
    const sent = collector.bytes().toString('latin1');
    for (const degrees of Object.values(place)) expect(sent).not.toContain(String(degrees).slice(0, 7));
    for (const part of driver.split('.')) expect(sent).not.toContain(part);
  });

  test('a request goes on with the trace of its caller, to the commit', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const answer = await post('/v1/drivers/driver-2/location', place, `00-${traceId}-b7ad6b7169203331-01`);
    expect(answer.status).toBe(202);
    const find = (name: string) => collector.span((span) => span.traceId === traceId && span.name === name);
    const served = await find('POST /v1/drivers/{driverId}/location');
    expect(served).toMatchObject({
      parentSpanId: 'b7ad6b7169203331',
      kind: SERVER,
      attributes: {
        'http.request.method': 'POST',
        'http.route': '/v1/drivers/{driverId}/location',
        'http.response.status_code': 202,
        'fleetcast.request_id': answer.headers.get('x-request-id'),
      },
    });
    const appended = await find('append position-log');
    expect(appended.parentSpanId).toBe(served.spanId);
    expect((await find('commit position-log')).parentSpanId).toBe(appended.spanId);
  });

  test('a batch is one step, however many positions it brings', async () => {
    const traceId = '1af7651916cd43dd8448eb211c80319c';
    const positions = Array.from({ length: 50 }, (_, n) => ({ ...place, recordedAt: Date.now() - 1000 * n }));
    const path = '/v1/drivers/driver-3/locations';
    expect((await post(path, positions, `00-${traceId}-b7ad6b7169203331-01`)).status).toBe(202);
    const batch = await collector.span(
      (span) => span.traceId === traceId && span.name === 'BATCH INSERT location_history',
    );
    expect(batch.attributes['db.operation.batch.size']).toBe(50);
    const names = collector.spans.filter((span) => span.traceId === traceId).map(({ name }) => name);
    expect(names.filter((name) => name === 'commit position-log')).toHaveLength(1);
  });

  test('what its caller does not record is not recorded; what is no trace begins one', async () => {
    const unsampled = '2af7651916cd43dd8448eb211c80319c';
    await post('/v1/drivers/driver-4/location', place, `00-${unsampled}-b7ad6b7169203331-00`);
    const before = collector.spans.length;
    await post('/v1/drivers/driver-5/location', place, '00-nonsense-01');
    await collector.span(
      ({ name, parentSpanId }) => name === 'POST /v1/drivers/{driverId}/location' && parentSpanId === '',
    );
    expect(collector.spans.length).toBeGreaterThan(before);
    expect(collector.spans.filter(({ traceId }) => traceId === unsampled)).toEqual([]);
  });

  test('a collector that fails is told of once; one that never answers holds up neither positions nor the end', async () => {
    const told = () => platform.output.filter((line) => line.includes('traces can not be sent'));
    collector.behave('refuse');
    for (let n = 0; told().length === 0 && n < 100; n++) await publish(platform, `refused-${n}`);
    collector.behave('hang');
    for (let n = 0; n < 5; n++) await publish(platform, `hanging-${n}`);
    // To wait for an export (30 s) would be to be stopped by force, with another status
    expect(await platform.stop()).toBe(0);
    expect(told()).toHaveLength(1);
    const loaded = platform.output.find((line) => line.startsWith('modules of the SDK'));
    expect(Number(loaded?.split(': ')[1])).toBeGreaterThan(10);
  });
});

describe('in a cluster', () => {
  let collector: OtlpReceiver;
  let cluster: PlatformCluster;

  beforeAll(async () => {
    collector = await startOtlpReceiver();
    cluster = await PlatformCluster.start({ brokers: 1, ingests: 1, apis: 1, env: settings(collector) });
  }, 120_000);
  afterAll(async () => {
    await cluster?.stop();
    await collector?.stop();
  });

  test('a trace goes through the log, from the broker to the ingest that commits', async () => {
    const [broker] = cluster.brokers;
    if (broker === undefined) throw new Error('no broker');
    await publish(broker, 'driver-1');
    const steps = await stepsOf(collector);
    expectSteps(steps);
    const roles = Object.fromEntries(
      Object.entries(steps).map(([name, { resource }]) => [name, resource['fleetcast.role']]),
    );
    expect(roles).toEqual({
      published: 'broker',
      appended: 'broker',
      sent: 'broker',
      committed: 'ingest',
      batch: 'ingest',
    });
  });

  test('and from an api, with the trace of its caller', async () => {
    const traceId = '3af7651916cd43dd8448eb211c80319c';
    const { status } = await fetch(`${cluster.api.urls.rest}/v1/drivers/driver-2/location`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await token('SERVICE', 'service-1')}`,
        'content-type': 'application/json',
        traceparent: `00-${traceId}-b7ad6b7169203331-01`,
      },
      body: JSON.stringify(place),
    });
    expect(status).toBe(202);
    const committed = await collector.span(
      (span) => span.traceId === traceId && span.name === 'commit position-log',
    );
    expect(committed.resource['fleetcast.role']).toBe('ingest');
  });

  test('a process that is not told where to has not loaded the SDK', async () => {
    const api = await cluster.add('api', {
      OTEL_EXPORTER_OTLP_ENDPOINT: '',
      NODE_OPTIONS: `--import=${LIST_MODULES}`,
    });
    const bearer = await token('SERVICE', 'service-1');
    const { status } = await request(api, bearer, 'POST', '/v1/drivers/driver-3/location', place);
    expect(status).toBe(202);
    expect(await cluster.end('api', cluster.apis.indexOf(api))).toBe(0);
    expect(api.output.filter((line) => line.startsWith('modules of'))).toEqual(['modules of the SDK: 0']);
  });
});
