import { afterAll, beforeAll, test } from '@jest/globals';
import { connectClient, type TestClient } from '../support/mqtt-client.ts';
import { type Platform, request, token } from '../support/platform.ts';
import { PlatformCluster } from '../support/platform-cluster.ts';
import { eventually } from '../support/redis.ts';
import { type SentinelServers, startSentinelServers } from '../support/redis-topologies.ts';
import { type Sent, SteadyDriver } from '../support/steady-driver.ts';
import { dropoff, pickup, type StatusMessage, type TripBody } from '../support/trips.ts';

/** What was acknowledged so long (ms) before the master died has long been in the database. */
const SETTLED_MS = 1000;

let redis: SentinelServers;
let cluster: PlatformCluster;
let service: string;
const clients: TestClient[] = [];

beforeAll(async () => {
  redis = await startSentinelServers();
  cluster = await PlatformCluster.start({ brokers: 2, ingests: 1, apis: 1, redisUrl: redis.url });
  service = await token('SERVICE', 'booking');
}, 120_000);
afterAll(async () => {
  for (const client of clients) await client.end();
  await cluster?.stop();
  await redis?.stop();
}, 60_000);

async function client(index: number, role: 'DRIVER' | 'RIDER', sub: string) {
  const at = cluster.brokers[index] as Platform;
  const connected = await connectClient(at.urls.mqtt, await token(role, sub));
  clients.push(connected);
  return connected;
}

test('kill -9 of the master: the platform goes on with the promoted one, and loses nothing that was acknowledged since', async () => {
  const drivers = await Promise.all(
    ['driver-a', 'driver-b', 'driver-c', 'driver-d'].map(
      async (id, index) => new SteadyDriver(await client(index % 2, 'DRIVER', id), id),
    ),
  );
  const booking = { riderId: 'ann', driverId: 'bob', pickup, dropoff };
  const trip = (await request(cluster.api, service, 'POST', '/v1/trips', booking)).body as TripBody;
  const bob = await client(0, 'DRIVER', 'bob');
  const ann = await client(1, 'RIDER', 'ann');
  await ann.client.subscribeAsync(`trips/${trip.id}/#`, { qos: 1 });
  const startedAt = Date.now();
  const goOnSince = (since: number) =>
    eventually(
      () => drivers.map((driver) => driver.acknowledgedSince(since)),
      (counts) => counts.every((count) => count > 20),
      60_000,
    );
  await goOnSince(startedAt);

  const before = await redis.master();
  const killedAt = Date.now();
  before.server.signal('SIGKILL');
  const after = await eventually(
    () => redis.master(),
    ({ port }) => port !== before.port,
    60_000,
  );
  await eventually(
    () => after.redis.info('replication'),
    (text) => text.includes('role:master'),
    60_000,
  );
  const promotedAt = Date.now();
  await goOnSince(promotedAt);
  // Brokers hear one another, and transitions are applied
  for (const status of ['EN_ROUTE', 'ARRIVED']) {
    await bob.client.publishAsync(`trips/${trip.id}/transition`, JSON.stringify({ status }), { qos: 1 });
    await ann.next(({ payload }) => (payload as StatusMessage).status === status);
  }
  await Promise.all(drivers.map((driver) => driver.end()));

  const isPromised = ({ sentAt, acknowledgedAt }: Sent) =>
    acknowledgedAt < killedAt - SETTLED_MS || sentAt > promotedAt;
  let lost = 0;
  for (const driver of drivers) lost += await driver.account(cluster.api, service, isPromised);
  process.stderr.write(`acknowledged while the master died, and lost: ${lost}\n`);
  const platforms = [...cluster.brokers, ...cluster.ingests, ...cluster.apis];
  const ready = () =>
    Promise.all(platforms.map(async ({ urls }) => (await fetch(`${urls.metrics}/health/ready`)).ok));
  await eventually(ready, (answers) => answers.every(Boolean));
}, 180_000);
