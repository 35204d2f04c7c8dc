import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connect } from 'mqtt';
import { connectClient, type TestClient, watch } from '../support/mqtt-client.ts';
import { type Platform, request, token } from '../support/platform.ts';
import { PlatformCluster } from '../support/platform-cluster.ts';
import { eventually } from '../support/redis.ts';
import { REDIS_PASSWORD, type RedisCluster, startRedisCluster } from '../support/redis-topologies.ts';
import { dropoff, pickup, type StatusMessage, type TripBody } from '../support/trips.ts';

const PREFIX = 'spread';

let redis: RedisCluster;
let cluster: PlatformCluster;
let service: string;
const clients: TestClient[] = [];

beforeAll(async () => {
  redis = await startRedisCluster();
  cluster = await PlatformCluster.start({
    brokers: 2,
    ingests: 1,
    apis: 2,
    redisUrl: redis.url,
    env: { REDIS_LOG_SHARDS: '3', REDIS_PREFIX: PREFIX, API_RATE_LIMIT_PER_MINUTE: '2000' },
  });
  service = await token('SERVICE', 'booking');
}, 120_000);
afterAll(async () => {
  for (const client of clients) await client.end();
  await cluster?.stop();
  await redis?.stop();
}, 60_000);

const broker = (index: number) => cluster.brokers[index] as Platform;

async function client(at: Platform, role: 'DRIVER' | 'RIDER', sub: string, clientId?: string) {
  const options = clientId === undefined ? {} : { clientId, clean: false };
  const connected = await connectClient(at.urls.mqtt, await token(role, sub), options);
  clients.push(connected);
  return connected;
}

async function book(riderId: string, driverId: string): Promise<TripBody> {
  const trip = { riderId, driverId, pickup, dropoff };
  const { status, body } = await request(cluster.api, service, 'POST', '/v1/trips', trip);
  expect(status).toBe(201);
  return body as TripBody;
}

const move = (driver: TestClient, tripId: string, status: string) =>
  driver.client.publishAsync(`trips/${tripId}/transition`, JSON.stringify({ status }), { qos: 1 });

const isStatus = (tripId: string) => (message: { topic: string }) =>
  message.topic === `trips/${tripId}/status`;

async function stored(driverId: string, count: number): Promise<number[]> {
  const { items } = await eventually(
    async () => {
      const path = `/v1/drivers/${driverId}/history?limit=1000`;
      const { body } = await request(cluster.api, service, 'GET', path);
      return body as { items: { latitude: number }[] };
    },
    (page) => page.items.length >= count,
  );
  return items.map(({ latitude }) => Math.round((latitude - 48) * 1000)).toSorted((a, b) => a - b);
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

test('a rider on one broker sees the whole trip of a driver on another, in order', async () => {
  const driver = await client(broker(0), 'DRIVER', 'bob');
  const rider = await client(broker(1), 'RIDER', 'ann');
  const { id } = await book('ann', 'bob');
  await rider.client.subscribeAsync(`trips/${id}/#`, { qos: 1 });
  await rider.next(isStatus(id));
  let driven = 0;
  const drive = () => {
    const position = {
      latitude: 48 + driven / 1000,
      longitude: 16,
      recordedAt: Date.now() - 1000 + driven++,
    };
    return driver.client.publishAsync('drivers/bob/location', JSON.stringify(position), { qos: 1 });
  };
  for (const status of ['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED']) {
    await move(driver, id, status);
    await rider.next(({ payload }) => (payload as StatusMessage).status === status);
    if (status !== 'COMPLETED') for (let count = 0; count < 3; count++) await drive();
  }
  const messages = rider.received.filter(({ topic }) => topic.startsWith(`trips/${id}/`));
  const versions = messages.filter(isStatus(id)).map(({ payload }) => (payload as StatusMessage).version);
  expect(versions).toEqual([1, 2, 3, 4, 5]);
  const places = messages
    .filter(({ topic }) => topic.endsWith('/location'))
    .map(({ payload }) => Math.round(((payload as { latitude: number }).latitude - 48) * 1000));
  expect(places).toEqual(upTo(9));
  expect(await stored('bob', 9)).toEqual(upTo(9));
});

test('the log is spread over all nodes, and every position is stored once', async () => {
  const drivers = upTo(12).map((index) => `fleet-${index}`);
  await Promise.all(
    drivers.map(async (driverId, index) => {
      const driver = await client(broker(index % 2), 'DRIVER', driverId);
      for (const step of upTo(5)) {
        const position = { latitude: 48 + step / 1000, longitude: 16, recordedAt: Date.now() - 1000 + step };
        await driver.client.publishAsync(`drivers/${driverId}/location`, JSON.stringify(position), {
          qos: 1,
        });
      }
    }),
  );
  for (const driverId of drivers) expect(await stored(driverId, 5)).toEqual(upTo(5));
  const logs = await Promise.all(redis.masters.map(({ redis: node }) => node.keys(`${PREFIX}:{s??}:log`)));
  expect(logs.map(({ length }) => length)).toEqual([1, 1, 1]);
  const appended = await Promise.all(
    redis.masters.map(({ redis: node }, index) => node.hget(`${logs[index]?.[0]}:counts`, 'appended')),
  );
  expect(appended.every((count) => Number(count) > 0)).toBe(true);
  // What is known of a driver stands beside the log that it is decided with
  const hashes = await Promise.all(
    redis.masters.map(({ redis: node }) => node.keys(`${PREFIX}:{s??}:driver:*`)),
  );
  expect(hashes.every((keys) => keys.length > 0)).toBe(true);
});

test('a session gets what has waited for it, on whatever broker it comes back, and moves there by its client id', async () => {
  const { id } = await book('eve', 'dan');
  const here = await client(broker(0), 'RIDER', 'eve', 'phone');
  await here.client.subscribeAsync(`trips/${id}/status`, { qos: 1 });
  await here.next(isStatus(id));
  const closed = new Promise<void>((resolve) => here.client.once('close', () => resolve()));
  const there = await client(broker(1), 'RIDER', 'eve', 'phone');
  await closed;
  await there.end();
  // Its session is on no broker now: the message waits for whichever it comes back to
  await request(cluster.api, service, 'PATCH', `/v1/trips/${id}/status`, { status: 'CANCELLED' });
  const queues = () =>
    Promise.all(redis.masters.map(({ redis: node }) => node.keys(`${PREFIX}:mqtt:queue:*`)));
  await eventually(queues, (keys) => keys.flat().length > 0);
  const returning = watch(
    connect(broker(0).urls.mqtt, {
      username: 'x',
      password: await token('RIDER', 'eve'),
      clientId: 'phone',
      clean: false,
      reconnectPeriod: 0,
    }),
  );
  clients.push(returning);
  const { payload } = await returning.next(isStatus(id));
  expect(payload).toMatchObject({ status: 'CANCELLED' });
});

test('a driver has three connections over all brokers', async () => {
  for (const index of [0, 1, 1]) await client(broker(index), 'DRIVER', 'greedy');
  for (const index of [0, 1])
    await expect(client(broker(index), 'DRIVER', 'greedy')).rejects.toMatchObject({ code: 5 });
});

test('requests of one address are counted over all processes', async () => {
  const remaining = async (at: Platform) =>
    Number((await request(at, service, 'GET', '/v1/trips?limit=1')).headers.get('RateLimit-Remaining'));
  const before = await remaining(cluster.apis[0] as Platform);
  expect(await remaining(cluster.apis[1] as Platform)).toBe(before - 1);
  expect(await remaining(cluster.apis[0] as Platform)).toBe(before - 2);
});

test('no process logs the password', () => {
  const lines = [...cluster.brokers, ...cluster.ingests, ...cluster.apis].flatMap(({ output }) => output);
  expect(lines.filter((line) => line.includes('Redis Cluster at 127.0.0.1:'))).toHaveLength(5);
  const secret = [REDIS_PASSWORD, encodeURIComponent(REDIS_PASSWORD)];
  expect(lines.filter((line) => secret.some((text) => line.includes(text)))).toEqual([]);
});
