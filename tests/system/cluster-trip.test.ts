import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connectClient, type TestClient } from '../support/mqtt-client.ts';
import { type Platform, request, token } from '../support/platform.ts';
import { PlatformCluster } from '../support/platform-cluster.ts';
import { dropoff, pickup, type StatusMessage, type TripBody } from '../support/trips.ts';

let cluster: PlatformCluster;
const clients: TestClient[] = [];

beforeAll(async () => {
  cluster = await PlatformCluster.start({ brokers: 2, ingests: 2, apis: 2 });
}, 120_000);
afterAll(async () => {
  for (const client of clients) await client.end();
  await cluster?.stop();
});

async function client(broker: Platform | undefined, role: 'DRIVER' | 'RIDER' | 'OPERATOR', sub: string) {
  const connected = await connectClient(broker?.urls.mqtt ?? '', await token(role, sub));
  clients.push(connected);
  return connected;
}

const position = (index: number) => ({
  latitude: 48.2 + index / 1000,
  longitude: 16.4,
  recordedAt: Date.now() - 1000 + index,
});

async function eventually<T>(ask: () => Promise<T>, holds: (found: T) => boolean): Promise<T> {
  const end = Date.now() + 10_000;
  for (;;) {
    const found = await ask();
    if (holds(found)) return found;
    if (Date.now() > end) throw new Error(`not in time: ${JSON.stringify(found)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test('a rider on one broker sees the whole trip of a driver on another, and it is stored', async () => {
  const [first, second] = cluster.brokers;
  const service = await token('SERVICE', 'booking');
  const driver = await client(first, 'DRIVER', 'bob');
  const rider = await client(second, 'RIDER', 'ann');
  const operator = await client(second, 'OPERATOR', 'ops');
  await operator.client.subscribeAsync(['drivers/+/location', 'drivers/+/status'], { qos: 1 });
  const { status, body } = await request(cluster.api, service, 'POST', '/v1/trips', {
    riderId: 'ann',
    driverId: 'bob',
    pickup,
    dropoff,
  });
  expect(status).toBe(201);
  const { id } = body as TripBody;
  await rider.client.subscribeAsync(`trips/${id}/#`, { qos: 1 });
  await rider.next(({ topic }) => topic === `trips/${id}/status`);

  const drive = (index: number) =>
    driver.client.publishAsync('drivers/bob/location', JSON.stringify(position(index)), { qos: 1 });
  await drive(0);
  for (const [index, next] of (['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED'] as const).entries()) {
    await driver.client.publishAsync(`trips/${id}/transition`, JSON.stringify({ status: next }), { qos: 1 });
    await rider.next(({ payload }) => (payload as StatusMessage).status === next);
    await drive(index * 2 + 1);
    await drive(index * 2 + 2);
  }
  const statuses = rider.received
    .filter(({ topic }) => topic === `trips/${id}/status`)
    .map(({ payload }) => (payload as StatusMessage).version);
  expect(statuses).toEqual([1, 2, 3, 4, 5]);
  await operator.next(
    ({ topic, payload }) =>
      topic === 'drivers/bob/location' && (payload as { latitude: number }).latitude > 48.2079,
  );
  const places = rider.received
    .filter(({ topic }) => topic === `trips/${id}/location`)
    .map(({ payload }) => Math.round(((payload as { latitude: number }).latitude - 48.2) * 1000));
  // From EN_ROUTE to COMPLETED, in order
  expect(places).toEqual([...places].sort((a, b) => a - b));
  expect(new Set(places)).toEqual(new Set([1, 2, 3, 4, 5, 6]));

  const history = await eventually(
    async () =>
      (await request(cluster.api, service, 'GET', '/v1/drivers/bob/history')).body as { items: unknown[] },
    ({ items }) => items.length === 9,
  );
  expect(history.items).toHaveLength(9);
  const done = await eventually(
    async () =>
      (await request(cluster.apis[1] as Platform, service, 'GET', `/v1/trips/${id}`)).body as TripBody,
    (trip) => (trip.distanceMeters ?? 0) > 0,
  );
  expect(done).toMatchObject({ status: 'COMPLETED', version: 5 });
  expect(
    operator.received
      .filter(({ topic }) => topic === 'drivers/bob/status')
      .map(({ payload }) => (payload as { status: string }).status),
  ).toEqual(expect.arrayContaining(['ONLINE', 'ON_TRIP']));
});
