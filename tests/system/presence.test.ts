import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { json } from '../support/fleet.ts';
import { connectClient, type Received, type TestClient } from '../support/mqtt-client.ts';
import { type Platform, request, startPlatform, token } from '../support/platform.ts';
import { encode, loginTcp } from '../support/raw-mqtt.ts';
import { pickup, type TripDesk, tripDesk } from '../support/trips.ts';

const GRACE_MS = 1500;

let database: TestDatabase;
let platform: Platform;
let desk: TripDesk;
let watcher: TestClient;
let drivers = 0;

async function start(): Promise<void> {
  platform = await startPlatform({ DATABASE_URL: database.url, OFFLINE_GRACE_MS: String(GRACE_MS) });
  desk = tripDesk(platform);
  watcher = await connectClient(platform.urls.mqtt, await token('OPERATOR', 'watcher'));
  await watcher.client.subscribeAsync('drivers/+/status', { qos: 1 });
}

beforeAll(async () => {
  database = await createTestDatabase();
  await start();
});
afterAll(async () => {
  await watcher?.end();
  await platform?.stop();
  await database?.drop();
});

const newDriver = () => `driver-${drivers++}`;

type StatusMessage = { status: string; driverId: string; receivedAt: string };

const isStatus =
  (driverId: string, status?: string) =>
  ({ topic, payload }: Received): boolean =>
    topic === `drivers/${driverId}/status` &&
    (status === undefined || (payload as StatusMessage).status === status);

/** What the operator was told of a driver, changes only. */
const toldOf = (driverId: string): string[] =>
  watcher.received
    .filter(isStatus(driverId))
    .map(({ payload }) => (payload as StatusMessage).status)
    .filter((status, index, all) => status !== all[index - 1]);

const told = (driverId: string, status: string) => watcher.next(isStatus(driverId, status), 20_000);

/** Settles once these are the changes that were told of a driver; fails when others are. */
const toldSo = (driverId: string, ...statuses: string[]) =>
  watcher.next(() => toldOf(driverId).join() === statuses.join(), 20_000);

/** Whatever was on its way to the watcher before this has come. */
async function everythingTold(): Promise<void> {
  const marker = newDriver();
  await request(platform, await token('SERVICE', 'desk'), 'PUT', `/v1/drivers/${marker}/status`, {
    status: 'BUSY',
  });
  await told(marker, 'BUSY');
}

async function connect(
  driverId: string,
  options: Parameters<typeof connectClient>[2] = {},
): Promise<TestClient> {
  return connectClient(platform.urls.mqtt, await token('DRIVER', driverId), options);
}

const will = (driverId: string, status = 'OFFLINE') => ({
  will: {
    topic: `drivers/${driverId}/status`,
    payload: Buffer.from(json({ status })),
    qos: 1 as const,
    retain: true,
  },
});

const say = ({ client }: TestClient, driverId: string, status: string) =>
  client.publishAsync(`drivers/${driverId}/status`, json({ status }), { qos: 1 });

const drive = ({ client }: TestClient, driverId: string) =>
  client.publishAsync(`drivers/${driverId}/location`, json(pickup), { qos: 1 });

/** The connection is cut, without a DISCONNECT. */
const cut = ({ client }: TestClient) =>
  new Promise<void>((resolve) => {
    client.once('close', () => resolve());
    client.stream.destroy();
  });

const asOperator = async (path: string) =>
  (await request(platform, await token('OPERATOR', 'asker'), 'GET', path)).body;

const storedOf = async (driverId: string) =>
  ((await asOperator(`/v1/drivers/${driverId}/location`)) as { status: string }).status;

async function nearbyOf(driverId: string): Promise<string | undefined> {
  const path = `/v1/drivers/nearby?latitude=${pickup.latitude}&longitude=${pickup.longitude}&limit=100`;
  const { items } = (await asOperator(path)) as { items: { driverId: string; status: string }[] };
  return items.find((item) => item.driverId === driverId)?.status;
}

/** A client that subscribes now is told the same. */
async function retainedOf(driverId: string): Promise<Received> {
  const late = await connectClient(platform.urls.ws, await token('OPERATOR', 'late'));
  await late.client.subscribeAsync(`drivers/${driverId}/status`, { qos: 1 });
  const message = await late.next(isStatus(driverId));
  await late.end();
  return message;
}

test('what a driver says of itself is told, retained, stored and found', async () => {
  const driverId = newDriver();
  const driver = await connect(driverId);
  await drive(driver, driverId);
  await told(driverId, 'ONLINE');
  for (const status of ['BUSY', 'ONLINE', 'OFFLINE', 'BUSY']) {
    await say(driver, driverId, status);
    expect([await storedOf(driverId), await nearbyOf(driverId)]).toEqual([status, status]);
    expect(await retainedOf(driverId)).toEqual({
      topic: `drivers/${driverId}/status`,
      payload: { status, driverId, receivedAt: expect.stringMatching(/^\d{4}-.*Z$/) },
      retain: true,
      qos: 1,
    });
  }
  await toldSo(driverId, 'ONLINE', 'BUSY', 'ONLINE', 'OFFLINE', 'BUSY');
  await driver.end();
});

test('a status that follows the first position at once is not lost', async () => {
  for (let round = 0; round < 10; round++) {
    const driverId = newDriver();
    const driver = await connect(driverId);
    driver.client.publish(`drivers/${driverId}/location`, json(pickup), { qos: 1 });
    await say(driver, driverId, 'BUSY');
    expect(await storedOf(driverId)).toBe('BUSY');
    await told(driverId, 'BUSY');
    expect((await retainedOf(driverId)).payload).toMatchObject({ status: 'BUSY' });
    await driver.end();
  }
});

test('whoever says OFFLINE and hangs up at once has said so: it is not back by listening again', async () => {
  const driverId = newDriver();
  const bearer = await token('DRIVER', driverId);
  const connection = await loginTcp(platform.ports.mqtt, { token: bearer });
  connection.send(
    encode.publish(`drivers/${driverId}/location`, json(pickup), { qos: 1, id: 1 }),
    encode.publish(`drivers/${driverId}/status`, json({ status: 'OFFLINE' }), { qos: 1, id: 2 }),
    encode.disconnect(),
  );
  await connection.closed;
  await told(driverId, 'OFFLINE');
  const back = await connect(driverId);
  await back.client.subscribeAsync(`drivers/${driverId}/trips`, { qos: 1 });
  await everythingTold();
  expect([toldOf(driverId).at(-1), await storedOf(driverId)]).toEqual(['OFFLINE', 'OFFLINE']);
  await back.end();
});

describe('a driver whose connection is lost', () => {
  test('with a last will is OFFLINE at once', async () => {
    const driverId = newDriver();
    const driver = await connect(driverId, will(driverId));
    await drive(driver, driverId);
    await say(driver, driverId, 'BUSY');
    const withoutWill = newDriver();
    const earlier = await connect(withoutWill);
    await say(earlier, withoutWill, 'BUSY');
    await cut(earlier);
    await cut(driver);
    await told(driverId, 'OFFLINE');
    // Whoever was lost before it, without a will, still has its time
    expect(toldOf(withoutWill)).toEqual(['BUSY']);
    expect(await storedOf(driverId)).toBe('OFFLINE');
    const back = await connect(driverId, will(driverId));
    await toldSo(driverId, 'ONLINE', 'BUSY', 'OFFLINE', 'BUSY');
    await cut(back);
    await toldSo(driverId, 'ONLINE', 'BUSY', 'OFFLINE', 'BUSY', 'OFFLINE');
    const service = await request(
      platform,
      await token('SERVICE', 'desk'),
      'POST',
      `/v1/drivers/${driverId}/location`,
      pickup,
    );
    expect(service.status).toBe(202);
    await toldSo(driverId, 'ONLINE', 'BUSY', 'OFFLINE', 'BUSY', 'OFFLINE', 'BUSY');
  });

  test.each(['is cut', 'says goodbye'])('and that %s, is OFFLINE after the grace time', async (how) => {
    const driverId = newDriver();
    const driver = await connect(driverId);
    await drive(driver, driverId);
    await told(driverId, 'ONLINE');
    const before = Date.now();
    if (how === 'is cut') await cut(driver);
    else await driver.client.endAsync();
    await told(driverId, 'OFFLINE');
    expect(Date.now() - before).toBeGreaterThanOrEqual(GRACE_MS - 100);
    expect(await storedOf(driverId)).toBe('OFFLINE');
  });

  test('and who is back within the grace time, or has a second one, is there all the time', async () => {
    const [returning, twice, gone] = [newDriver(), newDriver(), newDriver()];
    const first = await connect(returning);
    const one = await connect(twice);
    const other = await connect(twice, will(twice));
    const marker = await connect(gone);
    for (const [client, driverId] of [
      [first, returning],
      [one, twice],
      [marker, gone],
    ] as const)
      await say(client, driverId, 'BUSY');
    await Promise.all([cut(first), cut(other)]);
    const back = await connect(returning);
    // Lost after them, and OFFLINE: so their time is over as well
    await cut(marker);
    await told(gone, 'OFFLINE');
    expect([toldOf(returning), toldOf(twice)]).toEqual([['BUSY'], ['BUSY']]);
    await Promise.all([back.end(), one.end()]);
  });
});

test('from EN_ROUTE to the end a driver is ON_TRIP, whatever it says, and then what it said last', async () => {
  const driverId = newDriver();
  const driver = await connect(driverId);
  await drive(driver, driverId);
  await say(driver, driverId, 'ONLINE');
  const trip = await desk.book({ driverId });
  expect(await storedOf(driverId)).toBe('ONLINE');
  await desk.move(trip.id, 'EN_ROUTE');
  await told(driverId, 'ON_TRIP');
  for (const status of ['OFFLINE', 'BUSY']) await say(driver, driverId, status);
  await desk.move(trip.id, 'ARRIVED');
  await drive(driver, driverId);
  expect([await storedOf(driverId), await nearbyOf(driverId)]).toEqual(['ON_TRIP', 'ON_TRIP']);
  expect((await retainedOf(driverId)).payload).toMatchObject({ status: 'ON_TRIP' });
  await desk.move(trip.id, 'IN_PROGRESS');
  await desk.move(trip.id, 'COMPLETED');
  await toldSo(driverId, 'ONLINE', 'ON_TRIP', 'BUSY');
  expect(await storedOf(driverId)).toBe('BUSY');
  await driver.end();
});

test('a driver on a trip who is lost is ON_TRIP to its end, and OFFLINE then', async () => {
  const driverId = newDriver();
  const driver = await connect(driverId, will(driverId));
  await say(driver, driverId, 'ONLINE');
  const trip = await desk.bookIn('IN_PROGRESS', { driverId });
  await cut(driver);
  await desk.move(trip.id, 'CANCELLED');
  await toldSo(driverId, 'ONLINE', 'ON_TRIP', 'OFFLINE');
});

test('a driver who is only named in a booking is told nothing of', async () => {
  const driverId = newDriver();
  const trip = await desk.book({ driverId });
  await desk.move(trip.id, 'CANCELLED');
  await everythingTold();
  expect(toldOf(driverId)).toEqual([]);
});

describe.each(['SIGTERM', 'SIGKILL'])('after %s and a new start', (signal) => {
  test('everybody is what it was; who does not come back is OFFLINE after the grace time; a trip goes on, or is over', async () => {
    const names = ['busy', 'gone', 'offline', 'riding', 'arriving'] as const;
    const ids = Object.fromEntries(names.map((name) => [name, newDriver()])) as Record<
      (typeof names)[number],
      string
    >;
    const clients = await Promise.all(names.map((name) => connect(ids[name])));
    for (const [index, name] of names.entries()) {
      const client = clients[index];
      if (client === undefined) continue;
      await drive(client, ids[name]);
      await say(client, ids[name], name === 'offline' ? 'OFFLINE' : 'BUSY');
    }
    const riding = await desk.bookIn('IN_PROGRESS', { driverId: ids.riding });
    const arriving = await desk.bookIn('IN_PROGRESS', { driverId: ids.arriving });
    await told(ids.riding, 'ON_TRIP');
    await told(ids.arriving, 'ON_TRIP');
    await (signal === 'SIGTERM' ? platform.stop() : platform.kill());
    await Promise.all([...clients, watcher].map((client) => client.end()));
    await start();
    const back = await connect(ids.busy);
    expect((await retainedOf(ids.busy)).payload).toMatchObject({ status: 'BUSY' });
    expect((await retainedOf(ids.offline)).payload).toMatchObject({ status: 'OFFLINE' });
    expect((await retainedOf(ids.riding)).payload).toMatchObject({ status: 'ON_TRIP' });
    await told(ids.gone, 'OFFLINE');
    expect(await storedOf(ids.gone)).toBe('OFFLINE');
    expect(await storedOf(ids.busy)).toBe('BUSY');
    expect(await storedOf(ids.riding)).toBe('ON_TRIP');
    const rider = await connect(ids.riding);
    await desk.move(riding.id, 'COMPLETED');
    await told(ids.riding, 'ONLINE');
    // Nobody is at the wheel of this one any more
    await desk.move(arriving.id, 'COMPLETED');
    await told(ids.arriving, 'OFFLINE');
    await Promise.all([back.end(), rider.end()]);
  });
});
