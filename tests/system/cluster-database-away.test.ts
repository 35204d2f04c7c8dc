import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type CuttableProxy, startCuttableProxy } from '../support/cuttable-proxy.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { connectClient, type TestClient } from '../support/mqtt-client.ts';
import { type Platform, token } from '../support/platform.ts';
import { PlatformCluster } from '../support/platform-cluster.ts';
import { isLocationOf, isStatusOf, pickup, subackOf, tripDesk } from '../support/trips.ts';

let cluster: PlatformCluster;
let database: TestDatabase;
let proxy: CuttableProxy;
const clients: TestClient[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  proxy = await startCuttableProxy(database.url);
  cluster = await PlatformCluster.start({ brokers: 2, ingests: 1, databaseUrl: proxy.url });
}, 120_000);
afterAll(async () => {
  await proxy?.restore();
  for (const client of clients) await client.end();
  await cluster?.stop();
  await proxy?.cut();
  await database?.drop();
});

async function client(broker: Platform | undefined, role: 'DRIVER' | 'RIDER', sub: string) {
  const connected = await connectClient(broker?.urls.mqtt ?? '', await token(role, sub), { clientId: sub });
  clients.push(connected);
  return connected;
}

const drive = async (driver: TestClient, latitude: number) => {
  const recordedAt = Date.now();
  const payload = JSON.stringify({ ...pickup, latitude, recordedAt });
  await driver.client.publishAsync('drivers/bob/location', payload, { qos: 1 });
  return recordedAt;
};

test('while the database is away, whoever follows a trip can come back to it, on any broker, and strangers still can not', async () => {
  const [one, two] = cluster.brokers;
  const driver = await client(one, 'DRIVER', 'bob');
  const trip = await tripDesk(cluster.api).bookIn('EN_ROUTE', { riderId: 'ann', driverId: 'bob' });
  const before = await client(one, 'RIDER', 'ann');
  await before.client.subscribeAsync(`trips/${trip.id}/#`, { qos: 1 });
  await before.next(isStatusOf(trip.id, 'EN_ROUTE'));
  await drive(driver, 48.3);
  await before.next(isLocationOf(trip.id));
  await before.end();

  await proxy.cut();
  const rider = await client(two, 'RIDER', 'ann');
  await rider.client.subscribeAsync(`trips/${trip.id}/#`, { qos: 1 });
  const status = await rider.next(isStatusOf(trip.id));
  expect(status).toMatchObject({
    retain: true,
    payload: { status: 'EN_ROUTE', version: trip.version, driverId: 'bob' },
  });
  expect(await rider.next(isLocationOf(trip.id))).toMatchObject({
    retain: true,
    payload: { latitude: 48.3 },
  });
  const recordedAt = await drive(driver, 48.31);
  expect(await rider.next(isLocationOf(trip.id, recordedAt))).toMatchObject({ retain: false });

  const stranger = await client(two, 'RIDER', 'eve');
  expect(await subackOf(stranger, `trips/${trip.id}/#`)).toEqual([128]);
});
