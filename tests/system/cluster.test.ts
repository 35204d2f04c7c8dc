import { afterAll, beforeAll, expect, test } from '@jest/globals';
import jwt from 'jsonwebtoken';
import { connect } from 'mqtt';
import { connectClient, type TestClient, watch } from '../support/mqtt-client.ts';
import { type Platform, request, TEST_SECRET, token } from '../support/platform.ts';
import { PlatformCluster } from '../support/platform-cluster.ts';
import { eventually } from '../support/redis.ts';
import { dropoff, pickup, type StatusMessage, type TripBody } from '../support/trips.ts';

let cluster: PlatformCluster;
let service: string;
let numbers = 0;
const clients: TestClient[] = [];

beforeAll(async () => {
  cluster = await PlatformCluster.start({
    brokers: 2,
    ingests: 1,
    apis: 2,
    env: { API_RATE_LIMIT_PER_MINUTE: '2000', OFFLINE_GRACE_MS: '500' },
  });
  service = await token('SERVICE', 'booking');
}, 120_000);
afterAll(async () => {
  for (const client of clients) await client.end();
  await cluster?.stop();
});

const broker = (index: number) => cluster.brokers[index] as Platform;
const newId = (kind: string) => `${kind}-${numbers++}`;

async function client(at: Platform, role: 'DRIVER' | 'RIDER' | 'OPERATOR', sub: string, clientId?: string) {
  const connected = await connectClient(
    at.urls.mqtt,
    await token(role, sub),
    clientId === undefined ? {} : { clientId, clean: false },
  );
  clients.push(connected);
  return connected;
}

async function book(riderId: string, driverId?: string): Promise<TripBody> {
  const { status, body } = await request(cluster.api, service, 'POST', '/v1/trips', {
    riderId,
    ...(driverId === undefined ? {} : { driverId }),
    pickup,
    dropoff,
  });
  expect(status).toBe(201);
  return body as TripBody;
}

const closed = ({ client: own }: TestClient) =>
  new Promise<void>((resolve) => (own.connected ? own.once('close', () => resolve()) : resolve()));

const isStatus = (status: string) => (message: { payload: unknown }) =>
  (message.payload as { status?: string }).status === status;
const isOnline = isStatus('ONLINE');
const isBusy = isStatus('BUSY');

const isCode =
  (code: string) =>
  ({ topic, payload }: { topic: string; payload: unknown }) =>
    topic.endsWith('/errors') && (payload as { code: string }).code === code;

test('a driver has three connections over all brokers, and the place of one that goes is free', async () => {
  const sub = newId('driver');
  const three = [
    await client(broker(0), 'DRIVER', sub),
    await client(broker(1), 'DRIVER', sub),
    await client(broker(1), 'DRIVER', sub),
  ];
  await expect(client(broker(0), 'DRIVER', sub)).rejects.toMatchObject({ code: 5 });
  await expect(client(broker(1), 'DRIVER', sub)).rejects.toMatchObject({ code: 5 });
  await three[1]?.end();
  await eventually(
    () =>
      client(broker(0), 'DRIVER', sub).then(
        () => true,
        () => false,
      ),
    (isIn) => isIn,
  );
});

test('a driver has three connections, no more and no fewer, also when a dozen come to both brokers at once', async () => {
  const sub = newId('driver');
  const logins = await Promise.allSettled(
    Array.from({ length: 12 }, (_, index) => client(broker(index % 2), 'DRIVER', sub)),
  );
  expect(logins.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
  const refusals = logins.flatMap((login) => (login.status === 'rejected' ? [login.reason] : []));
  for (const refusal of refusals) expect(refusal).toMatchObject({ code: 5 });
});

test('a client id that comes in on another broker takes the session over, with what it has missed', async () => {
  const sub = newId('rider');
  const trip = await book(sub);
  const here = await client(broker(0), 'RIDER', sub, 'phone');
  await here.client.subscribeAsync(`trips/${trip.id}/status`, { qos: 1 });
  await here.next(({ topic }) => topic === `trips/${trip.id}/status`);
  const gone = closed(here);
  const there = await client(broker(1), 'RIDER', sub, 'phone');
  await gone;
  await there.end();
  await request(cluster.api, service, 'PATCH', `/v1/trips/${trip.id}/status`, { status: 'CANCELLED' });
  // Its session is on no broker now; the message waits for whatever broker it comes back to
  await new Promise((resolve) => setTimeout(resolve, 300));
  const returning = connect(broker(0).urls.mqtt, {
    username: 'x',
    password: await token('RIDER', sub),
    clientId: 'phone',
    clean: false,
    reconnectPeriod: 0,
  });
  const back = watch(returning);
  clients.push(back);
  const { payload } = await back.next(({ topic }) => topic === `trips/${trip.id}/status`);
  expect(payload).toMatchObject({ status: 'CANCELLED', version: 2 });
});

test('a transition that is refused is told to its sender, wherever it is applied', async () => {
  const [driverId, riderId] = [newId('driver'), newId('rider')];
  const trip = await book(riderId, driverId);
  const driver = await client(broker(1), 'DRIVER', driverId);
  await driver.client.subscribeAsync(`drivers/${driverId}/errors`, { qos: 1 });
  const move = (id: string, status: string) =>
    driver.client.publishAsync(`trips/${id}/transition`, JSON.stringify({ status }), { qos: 1 });
  await move(trip.id, 'COMPLETED');
  await driver.next(isCode('INVALID_TRANSITION'));
  await move('5e0c1e1c-1111-4111-8111-111111111111', 'EN_ROUTE');
  await driver.next(isCode('TRIP_NOT_FOUND'));
  // Acknowledged means applied, as long as ingest is there
  for (const status of ['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED']) {
    await move(trip.id, status);
    const { body } = await request(cluster.apis[1] as Platform, service, 'GET', `/v1/trips/${trip.id}`);
    expect((body as TripBody).status).toBe(status);
  }
});

test('a driver is OFFLINE when its last connection to any broker is gone, and not before', async () => {
  const driverId = newId('driver');
  const operator = await client(broker(0), 'OPERATOR', newId('operator'));
  await operator.client.subscribeAsync(`drivers/${driverId}/status`, { qos: 1 });
  const [one, other] = [
    await client(broker(0), 'DRIVER', driverId),
    await client(broker(1), 'DRIVER', driverId),
  ];
  await one.client.publishAsync(`drivers/${driverId}/status`, JSON.stringify({ status: 'BUSY' }), { qos: 1 });
  const statuses = () =>
    operator.received
      .filter(({ topic }) => topic === `drivers/${driverId}/status`)
      .map(({ payload }) => (payload as { status: string }).status);
  await operator.next(({ payload }) => (payload as { status?: string }).status === 'BUSY');
  await one.end();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(statuses().at(-1)).toBe('BUSY');
  await other.end();
  await operator.next(({ payload }) => (payload as { status?: string }).status === 'OFFLINE', 10_000);
});

test('an operator sees the connections of all brokers, and closes one of any', async () => {
  const sub = newId('driver');
  const own = [await client(broker(0), 'DRIVER', sub), await client(broker(1), 'DRIVER', sub)];
  const operator = await token('OPERATOR', 'ops');
  const open = async () =>
    (
      (await request(cluster.apis[1] as Platform, operator, 'GET', `/v1/connections?sub=${sub}`)).body as {
        items: { id: string; broker: string }[];
      }
    ).items;
  const items = await eventually(open, (found) => found.length === 2);
  expect(new Set(items.map(({ broker: its }) => its)).size).toBe(2);
  for (const { id } of items) {
    const { status } = await request(cluster.api, operator, 'DELETE', `/v1/connections/${id}`);
    expect(status).toBe(204);
  }
  await Promise.all(own.map(closed));
  await eventually(open, (found) => found.length === 0);
});

test('a revoked token is refused by every broker, and what is open with it is closed', async () => {
  const sub = newId('driver');
  const own = [await client(broker(0), 'DRIVER', sub), await client(broker(1), 'DRIVER', sub)];
  const gone = own.map(closed);
  const { status } = await request(cluster.api, service, 'POST', '/v1/revocations', {
    sub,
    until: new Date(Date.now() + 60_000).toISOString(),
  });
  expect(status).toBeLessThan(300);
  await Promise.all(gone);
  for (const at of cluster.brokers)
    await expect(client(at, 'DRIVER', sub)).rejects.toMatchObject({ code: 4 });
  const answer = await request(
    cluster.apis[1] as Platform,
    await token('DRIVER', sub),
    'GET',
    `/v1/drivers/${sub}/location`,
  );
  expect(answer.status).toBe(401);
});

test('a driver whose token has ended is closed, and its will is told at another broker', async () => {
  const sub = newId('driver');
  const topic = `drivers/${sub}/status`;
  const operator = await client(broker(1), 'OPERATOR', newId('operator'));
  await operator.client.subscribeAsync(topic, { qos: 1 });
  const bearer = jwt.sign({ sub, role: 'DRIVER', exp: Date.now() / 1000 + 3 }, TEST_SECRET);
  const driver = await connectClient(broker(0).urls.mqtt, bearer, {
    clientId: 'phone',
    clean: false,
    // Not OFFLINE, which it is soon after without any will
    will: { topic, payload: Buffer.from('{"status":"ONLINE"}'), qos: 1, retain: false },
  });
  clients.push(driver);
  const gone = closed(driver);
  await driver.client.publishAsync(topic, '{"status":"BUSY"}', { qos: 1 });
  await gone;
  await operator.next(isOnline);
  expect(operator.received.findIndex(isOnline)).toBeGreaterThan(operator.received.findIndex(isBusy));
});

test('requests of one address are counted over all processes', async () => {
  const remaining = async (at: Platform) =>
    Number((await request(at, service, 'GET', '/v1/trips?limit=1')).headers.get('RateLimit-Remaining'));
  const before = await remaining(cluster.apis[0] as Platform);
  expect(before).toBeGreaterThan(0);
  expect(await remaining(cluster.apis[1] as Platform)).toBe(before - 1);
  expect(await remaining(cluster.apis[0] as Platform)).toBe(before - 2);
});

test('a follower over HTTP sees the trip of a driver on a broker', async () => {
  const [driverId, riderId] = [newId('driver'), newId('rider')];
  const trip = await book(riderId, driverId);
  const driver = await client(broker(0), 'DRIVER', driverId);
  const move = (status: string) =>
    driver.client.publishAsync(`trips/${trip.id}/transition`, JSON.stringify({ status }), { qos: 1 });
  await driver.client.publishAsync(
    `drivers/${driverId}/location`,
    JSON.stringify({ latitude: 48.1, longitude: 16 }),
    { qos: 1 },
  );
  await move('EN_ROUTE');
  const answer = await fetch(`${cluster.api.urls.rest}/v1/trips/${trip.id}/live`, {
    headers: { authorization: `Bearer ${await token('RIDER', riderId)}` },
  });
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const until = async (wanted: RegExp) => {
    while (!wanted.test(text)) {
      const { value, done } = (await reader?.read()) ?? { done: true, value: '' };
      if (done) throw new Error(`ended: ${text}`);
      text += value;
    }
  };
  // Where the driver was before anybody on this process had heard of it
  await until(/event: location\ndata: .*"latitude":48.1/);
  await driver.client.publishAsync(
    `drivers/${driverId}/location`,
    JSON.stringify({ latitude: 48.2, longitude: 16 }),
    { qos: 1 },
  );
  await until(/"latitude":48.2/);
  await move('ARRIVED');
  await until(/"status":"ARRIVED"/);
  await request(cluster.api, service, 'PATCH', `/v1/trips/${trip.id}/status`, { status: 'CANCELLED' });
  await until(/"status":"CANCELLED"/);
  await reader?.cancel();
});

test('how long a position takes to the subscribers of another broker is shown there', async () => {
  const operator = await client(broker(1), 'OPERATOR', newId('operator'));
  const driverId = newId('driver');
  await operator.client.subscribeAsync(`drivers/${driverId}/location`);
  const timed = async (at: Platform) => {
    const text = await (await fetch(`${at.urls.metrics}/metrics`)).text();
    return Number(/^fleetcast_remote_delivery_seconds_count (\d+)$/m.exec(text)?.[1]);
  };
  const before = await timed(broker(1));
  const driver = await client(broker(0), 'DRIVER', driverId);
  await driver.client.publishAsync(`drivers/${driverId}/location`, JSON.stringify(pickup), { qos: 1 });
  await operator.next(({ topic }) => topic === `drivers/${driverId}/location`);
  await eventually(
    () => timed(broker(1)),
    (count) => count > before,
  );
});

test('every process says that it is ready, and of what it depends on', async () => {
  for (const process of [...cluster.brokers, ...cluster.ingests, ...cluster.apis]) {
    const answer = await fetch(`${process.urls.metrics}/health/ready`);
    expect(answer.status).toBe(200);
    const { checks } = (await answer.json()) as { checks: Record<string, string> };
    expect(checks).toMatchObject({ database: 'ok', redis: 'ok' });
  }
  const late = (await request(cluster.api, service, 'GET', '/v1/trips?limit=1')).body as {
    items: StatusMessage[];
  };
  expect(late.items).toHaveLength(1);
});
