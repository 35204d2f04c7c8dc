import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connectClient, type TestClient } from '../support/mqtt-client.ts';
import { type Platform, request, token } from '../support/platform.ts';
import { PlatformCluster } from '../support/platform-cluster.ts';
import { eventually } from '../support/redis.ts';
import { type SentinelServers, startSentinelServers } from '../support/redis-topologies.ts';
import { dropoff, pickup, type StatusMessage, type TripBody } from '../support/trips.ts';

/** ms between two positions of a driver, once the one before is acknowledged. */
const PAUSE_MS = 20;
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

type Sent = { recordedAt: number; sentAt: number; acknowledgedAt: number };

/** Sends positions, one after the other, until it is ended. */
function drive(driver: TestClient, driverId: string) {
  const sent: Sent[] = [];
  let isOver = false;
  const running = (async () => {
    while (!isOver) {
      const sentAt = Date.now();
      const position = { latitude: 48, longitude: 16, recordedAt: sentAt };
      await driver.client.publishAsync(`drivers/${driverId}/location`, JSON.stringify(position), { qos: 1 });
      sent.push({ recordedAt: sentAt, sentAt, acknowledgedAt: Date.now() });
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  })();
  const end = async () => {
    isOver = true;
    await running;
  };
  return { driverId, sent, end };
}

async function timesStored(driverId: string): Promise<number[]> {
  const times: number[] = [];
  for (let cursor = ''; ; ) {
    const path = `/v1/drivers/${driverId}/history?limit=1000${cursor === '' ? '' : `&cursor=${cursor}`}`;
    const { body } = await request(cluster.api, service, 'GET', path);
    const { items, nextCursor } = body as { items: { recordedAt: string }[]; nextCursor: string | null };
    times.push(...items.map(({ recordedAt }) => Date.parse(recordedAt)));
    if (nextCursor === null) return times;
    cursor = nextCursor;
  }
}

test('kill -9 of the master: the platform goes on with the promoted one, and loses nothing that was acknowledged since', async () => {
  const drivers = await Promise.all(
    ['a', 'b', 'c', 'd'].map(async (id, index) =>
      drive(await client(index % 2, 'DRIVER', `driver-${id}`), `driver-${id}`),
    ),
  );
  const trip = (
    await request(cluster.api, service, 'POST', '/v1/trips', {
      riderId: 'ann',
      driverId: 'bob',
      pickup,
      dropoff,
    })
  ).body as TripBody;
  const bob = await client(0, 'DRIVER', 'bob');
  const ann = await client(1, 'RIDER', 'ann');
  await ann.client.subscribeAsync(`trips/${trip.id}/#`, { qos: 1 });
  await eventually(
    () => drivers,
    (all) => all.every(({ sent }) => sent.length > 20),
  );

  const before = await redis.master();
  const killedAt = Date.now();
  before.server.signal('SIGKILL');
  const promoted = await eventually(
    () => redis.master(),
    (master) => master.port !== before.port,
    60_000,
  );
  expect(promoted.port).not.toBe(before.port);
  const acknowledgedSince = (since: number) =>
    drivers.every(({ sent }) => sent.filter(({ sentAt }) => sentAt > since).length > 20);
  const promotedAt = Date.now();
  await eventually(
    () => acknowledgedSince(promotedAt),
    (goesOn) => goesOn,
    60_000,
  );
  // Brokers hear one another, and transitions are applied
  for (const status of ['EN_ROUTE', 'ARRIVED']) {
    await bob.client.publishAsync(`trips/${trip.id}/transition`, JSON.stringify({ status }), { qos: 1 });
    await ann.next(({ payload }) => (payload as StatusMessage).status === status, 20_000);
  }
  await Promise.all(drivers.map(({ end }) => end()));

  const promised = ({ sentAt, acknowledgedAt }: Sent) =>
    acknowledgedAt < killedAt - SETTLED_MS || sentAt > promotedAt;
  let inBetween = 0;
  for (const { driverId, sent } of drivers) {
    const wanted = sent.filter(promised).map(({ recordedAt }) => recordedAt);
    const stored = await eventually(
      () => timesStored(driverId),
      (times) => wanted.every((time) => times.includes(time)),
    );
    expect(new Set(stored).size).toBe(stored.length);
    inBetween += sent.filter((one) => !promised(one) && !stored.includes(one.recordedAt)).length;
  }
  process.stderr.write(`acknowledged around the master's death, and lost: ${inBetween}\n`);
  for (const platform of [...cluster.brokers, ...cluster.ingests, ...cluster.apis]) {
    const answer = await fetch(`${platform.urls.metrics}/health/ready`);
    expect(answer.status).toBe(200);
  }
}, 180_000);
