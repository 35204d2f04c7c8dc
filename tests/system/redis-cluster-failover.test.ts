import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Shards } from '../../shared/position-log/redis/shards.ts';
import { connectClient, type TestClient } from '../support/mqtt-client.ts';
import { type Platform, token } from '../support/platform.ts';
import { PlatformCluster } from '../support/platform-cluster.ts';
import { eventually } from '../support/redis.ts';
import { type Member, type RedisCluster, startRedisCluster } from '../support/redis-topologies.ts';
import { type Sent, SteadyDriver } from '../support/steady-driver.ts';

/** What was acknowledged so long (ms) before the node died has long been in the database. */
const SETTLED_MS = 1000;
const LOG_SHARDS = 3;

let redis: RedisCluster;
let cluster: PlatformCluster;
let service: string;
const clients: TestClient[] = [];

beforeAll(async () => {
  redis = await startRedisCluster({ replicated: true, nodeTimeoutMs: 3000 });
  cluster = await PlatformCluster.start({
    brokers: 1,
    ingests: 1,
    apis: 1,
    redisUrl: redis.url,
    env: { REDIS_LOG_SHARDS: String(LOG_SHARDS) },
  });
  service = await token('SERVICE', 'booking');
}, 120_000);
afterAll(async () => {
  for (const client of clients) await client.end();
  await cluster?.stop();
  await redis?.stop();
}, 60_000);

async function drive(driverId: string): Promise<SteadyDriver> {
  const [broker] = cluster.brokers as [Platform];
  const client = await connectClient(broker.urls.mqtt, await token('DRIVER', driverId));
  clients.push(client);
  return new SteadyDriver(client, driverId);
}

const roleOf = async ({ redis: node }: Member) => String(((await node.role()) as unknown[])[0]);

test('kill -9 of a node: drivers of the others go on, its own with its replica, and nothing acknowledged since is lost', async () => {
  const shards = new Shards({ key: (name) => name }, LOG_SHARDS);
  const ids = Array.from({ length: 30 }, (_, index) => `driver-${index}`);
  const of = (shard: string) => ids.filter((id) => shards.of(id) === shard).slice(0, 2);
  const hit = await Promise.all(of('s02').map(drive));
  const others = await Promise.all([...of('s00'), ...of('s01')].map(drive));
  const drivers = [...hit, ...others];
  const goOnSince = (some: readonly SteadyDriver[], since: number) =>
    eventually(
      () => some.map((driver) => driver.acknowledgedSince(since)),
      (counts) => counts.every((count) => count > 20),
      60_000,
    );
  await goOnSince(drivers, Date.now());

  // It has the slots of {s02}
  const [killed, replica] = [redis.masters[0], redis.replicas[0]] as [Member, Member];
  const killedAt = Date.now();
  killed.server.signal('SIGKILL');
  await eventually(
    () => roleOf(replica),
    (role) => role === 'master',
    60_000,
  );
  const promotedAt = Date.now();
  const wentOn = ({ sent }: SteadyDriver) =>
    sent.some(({ sentAt, acknowledgedAt }) => sentAt > killedAt && acknowledgedAt < promotedAt) &&
    sent.every(({ sentAt, acknowledgedAt }) => acknowledgedAt - sentAt < promotedAt - killedAt);
  expect(others.every(wentOn)).toBe(true);
  await goOnSince(drivers, promotedAt);
  await Promise.all(drivers.map((driver) => driver.end()));

  const isPromised = ({ sentAt, acknowledgedAt }: Sent) =>
    acknowledgedAt < killedAt - SETTLED_MS || sentAt > promotedAt;
  let lost = 0;
  for (const driver of hit) lost += await driver.account(cluster.api, service, isPromised);
  process.stderr.write(`acknowledged while the node died, and lost: ${lost}\n`);
  // They have lost nothing at all
  for (const driver of others) expect(await driver.account(cluster.api, service, () => true)).toBe(0);
}, 180_000);
