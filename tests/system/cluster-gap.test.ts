import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { until } from '../support/cluster.ts';
import { type CuttableProxy, startCuttableProxy } from '../support/cuttable-proxy.ts';
import { follow, isStatusEvent, type LiveStream } from '../support/live-events.ts';
import { connectClient, type Received, type TestClient } from '../support/mqtt-client.ts';
import { type Platform, request, token } from '../support/platform.ts';
import { PlatformCluster } from '../support/platform-cluster.ts';
import { isStatusOf, marked, type StatusMessage, takeUp, tripDesk } from '../support/trips.ts';

let cluster: PlatformCluster;
let database: Client;
/** Between Redis and the broker and the api that followers are at. */
let proxy: CuttableProxy;
let broker: Platform;
let api: Platform;
const clients: TestClient[] = [];
const streams: LiveStream[] = [];

beforeAll(async () => {
  proxy = await startCuttableProxy(process.env.TEST_REDIS_URL ?? '');
  cluster = await PlatformCluster.start({ brokers: 0, ingests: 1 });
  database = new Client({ connectionString: cluster.databaseUrl });
  await database.connect();
  [broker, api] = await Promise.all([
    cluster.add('broker', { REDIS_URL: proxy.url }),
    cluster.add('api', { REDIS_URL: proxy.url }),
  ]);
}, 120_000);
afterAll(async () => {
  for (const stream of streams) stream.close();
  for (const client of clients) await client.end();
  await proxy?.restore();
  await database?.end();
  await cluster?.stop();
  await proxy?.cut();
});

const kept = <T extends TestClient>(client: T): T => {
  clients.push(client);
  return client;
};

/** All that has been told, has been told: to nobody behind the proxy, while it is cut. */
const published = () =>
  until(
    async () => (await database.query('select id from trip_outbox where published_at is null')).rowCount,
    (waiting) => waiting === 0,
  );

/** Where its followers are nothing comes of what is done meanwhile. */
async function lost(work: () => Promise<unknown>): Promise<void> {
  await proxy.cut();
  await work();
  await published();
  await proxy.restore();
}

const messagesOf = (received: readonly Received[], tripId: string) =>
  received.filter(isStatusOf(tripId)).map(({ payload }) => payload as StatusMessage);
const told = ({ version, previous, status, driverId }: StatusMessage) => ({
  version,
  previous,
  status,
  driverId,
});
const bob = { driverId: 'bob' };
const WHOLE = [
  { version: 1, previous: null, status: 'PENDING', ...bob },
  { version: 2, previous: 'PENDING', status: 'PENDING', ...bob },
  { version: 3, previous: 'PENDING', status: 'EN_ROUTE', ...bob },
  { version: 4, previous: 'EN_ROUTE', status: 'ARRIVED', ...bob },
  { version: 5, previous: 'ARRIVED', status: 'IN_PROGRESS', ...bob },
  { version: 6, previous: 'IN_PROGRESS', status: 'COMPLETED', ...bob },
];

test('whoever follows a trip is sent every change of it that was lost, once and in order, and then what comes', async () => {
  const desk = tripDesk(cluster.api);
  const trip = await desk.book({ riderId: 'ann', driverId: 'bob' });
  const rider = await token('RIDER', 'ann');
  const brief = kept(await connectClient(broker.urls.mqtt, rider, { clientId: 'brief' }));
  const lasting = kept(await takeUp(broker.urls.mqtt, rider, 'lasting'));
  const driver = kept(await connectClient(broker.urls.mqtt, await token('DRIVER', 'bob')));
  await brief.client.subscribeAsync(`trips/${trip.id}/#`, { qos: 1 });
  await lasting.client.subscribeAsync(`trips/${trip.id}/#`, { qos: 1 });
  await driver.client.subscribeAsync(`trips/${trip.id}/status`, { qos: 0 });
  const stream = await follow(api, rider, trip.id);
  streams.push(stream);
  const followers = [brief, lasting, driver];
  for (const follower of followers) await follower.next(isStatusOf(trip.id, 'PENDING'));
  await stream.next(isStatusEvent('PENDING'));

  await lost(async () => {
    await desk.plan(trip.id, { driverId: 'bob' });
    for (const status of ['EN_ROUTE', 'ARRIVED'] as const) await desk.move(trip.id, status);
    await published();
    // Made anew of the events
    await database.query('delete from trip_outbox where trip_id = $1 and version = 3', [trip.id]);
  });
  // Comes before or after what was lost has been looked up
  await desk.move(trip.id, 'IN_PROGRESS');
  for (const follower of followers) await follower.next(isStatusOf(trip.id, 'IN_PROGRESS'));
  await stream.next(isStatusEvent('IN_PROGRESS'));
  await desk.move(trip.id, 'COMPLETED');
  for (const follower of followers) {
    await follower.next(isStatusOf(trip.id, 'COMPLETED'));
    await marked(follower);
    expect(messagesOf(follower.received, trip.id).map(told)).toEqual(WHOLE);
  }
  await stream.ended;
  const events = stream.events.filter(({ event }) => event === 'status');
  expect(events.map(({ data }) => told(data as StatusMessage))).toEqual(WHOLE);
  expect(events.map(({ id }) => id)).toEqual(WHOLE.map(({ version }) => String(version)));
  // Nothing of it waits for the next connection
  await lasting.end();
  const again = kept(await takeUp(broker.urls.mqtt, rider, 'lasting'));
  expect(again.sessionPresent).toBe(true);
  await marked(again);
  expect(messagesOf(again.received, trip.id)).toEqual([]);
});

test('while Redis is away, who is revoked at one process is out at all, also who is just logging in', async () => {
  const trip = await tripDesk(cluster.api).book({ riderId: 'dan' });
  const bearer = await token('RIDER', 'dan');
  const rider = kept(await connectClient(broker.urls.mqtt, bearer));
  const driver = kept(await connectClient(broker.urls.mqtt, await token('DRIVER', 'eve')));
  const gone = [rider, driver].map(
    ({ client }) => new Promise<void>((resolve) => client.once('close', () => resolve())),
  );
  const stream = await follow(api, bearer, trip.id);
  streams.push(stream);
  await stream.next(isStatusEvent('PENDING'));
  const until = Date.now() + 60_000;
  const revoke = async (at: Platform, sub: string) =>
    request(at, await token('SERVICE', 'security'), 'POST', '/v1/revocations', { sub, until });

  proxy.hang();
  // A driver's login waits for Redis, which counts its connections
  const late = connectClient(broker.urls.mqtt, await token('DRIVER', 'eve')).then(
    ({ client }) =>
      new Promise<void>((resolve) => (client.connected ? client.once('close', () => resolve()) : resolve())),
    () => undefined,
  );
  // One whose messages get to nobody, and one whose messages do not get through
  expect((await revoke(api, 'eve')).status).toBe(201);
  expect((await revoke(cluster.api, 'dan')).status).toBe(201);
  await Promise.all([...gone, stream.ended, late]);
  for (const at of [api, cluster.api])
    expect((await request(at, bearer, 'GET', '/v1/trips')).status).toBe(401);
  await expect(connectClient(broker.urls.mqtt, bearer)).rejects.toMatchObject({ code: 4 });
  await proxy.restore();
});
