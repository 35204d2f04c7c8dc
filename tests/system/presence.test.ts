import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { json } from '../support/fleet.ts';
import { token } from '../support/platform.ts';
import { encode, loginTcp } from '../support/raw-mqtt.ts';
import { pickup, type TripDesk, tripDesk } from '../support/trips.ts';
import { cut, drive, GRACE_MS, say, WatchedDrivers, will } from '../support/watched-drivers.ts';

const fleet = new WatchedDrivers();
let desk: TripDesk;

beforeAll(async () => {
  await fleet.start();
  desk = tripDesk(fleet.platform);
});
afterAll(() => fleet.stop());

test('what a driver says of itself is told, retained, stored and found', async () => {
  const driverId = fleet.newDriver();
  const driver = await fleet.connect(driverId);
  await drive(driver, driverId);
  await fleet.told(driverId, 'ONLINE');
  for (const status of ['BUSY', 'ONLINE', 'OFFLINE', 'BUSY']) {
    await say(driver, driverId, status);
    expect([await fleet.storedOf(driverId), await fleet.nearbyOf(driverId)]).toEqual([status, status]);
    expect(await fleet.retainedOf(driverId)).toEqual({
      topic: `drivers/${driverId}/status`,
      payload: { status, driverId, receivedAt: expect.stringMatching(/^\d{4}-.*Z$/) },
      retain: true,
      qos: 1,
    });
  }
  await fleet.toldSo(driverId, 'ONLINE', 'BUSY', 'ONLINE', 'OFFLINE', 'BUSY');
  await driver.end();
});

test('a status that follows the first position at once is not lost', async () => {
  for (let round = 0; round < 10; round++) {
    const driverId = fleet.newDriver();
    const driver = await fleet.connect(driverId);
    driver.client.publish(`drivers/${driverId}/location`, json(pickup), { qos: 1 });
    await say(driver, driverId, 'BUSY');
    expect(await fleet.storedOf(driverId)).toBe('BUSY');
    await fleet.told(driverId, 'BUSY');
    expect((await fleet.retainedOf(driverId)).payload).toMatchObject({ status: 'BUSY' });
    await driver.end();
  }
});

test('whoever says OFFLINE and hangs up at once has said so: it is not back by listening again', async () => {
  const driverId = fleet.newDriver();
  const bearer = await token('DRIVER', driverId);
  const connection = await loginTcp(fleet.platform.ports.mqtt, { token: bearer });
  connection.send(
    encode.publish(`drivers/${driverId}/location`, json(pickup), { qos: 1, id: 1 }),
    encode.publish(`drivers/${driverId}/status`, json({ status: 'OFFLINE' }), { qos: 1, id: 2 }),
    encode.disconnect(),
  );
  await connection.closed;
  await fleet.told(driverId, 'OFFLINE');
  const back = await fleet.connect(driverId);
  await back.client.subscribeAsync(`drivers/${driverId}/trips`, { qos: 1 });
  await fleet.everythingTold();
  expect([fleet.toldOf(driverId).at(-1), await fleet.storedOf(driverId)]).toEqual(['OFFLINE', 'OFFLINE']);
  await back.end();
});

describe('a driver whose connection is lost', () => {
  test('with a last will is OFFLINE at once', async () => {
    const driverId = fleet.newDriver();
    const driver = await fleet.connect(driverId, will(driverId));
    await drive(driver, driverId);
    await say(driver, driverId, 'BUSY');
    const withoutWill = fleet.newDriver();
    const earlier = await fleet.connect(withoutWill);
    await say(earlier, withoutWill, 'BUSY');
    await cut(earlier);
    await cut(driver);
    await fleet.told(driverId, 'OFFLINE');
    // Whoever was lost before it, without a will, still has its time
    expect(fleet.toldOf(withoutWill)).toEqual(['BUSY']);
    expect(await fleet.storedOf(driverId)).toBe('OFFLINE');
    const back = await fleet.connect(driverId, will(driverId));
    await fleet.toldSo(driverId, 'ONLINE', 'BUSY', 'OFFLINE', 'BUSY');
    await cut(back);
    await fleet.toldSo(driverId, 'ONLINE', 'BUSY', 'OFFLINE', 'BUSY', 'OFFLINE');
    await fleet.as('SERVICE', 'POST', `/v1/drivers/${driverId}/location`, pickup);
    await fleet.toldSo(driverId, 'ONLINE', 'BUSY', 'OFFLINE', 'BUSY', 'OFFLINE', 'BUSY');
  });

  test.each(['is cut', 'says goodbye'])('and that %s, is OFFLINE after the grace time', async (how) => {
    const driverId = fleet.newDriver();
    const driver = await fleet.connect(driverId);
    await drive(driver, driverId);
    await fleet.told(driverId, 'ONLINE');
    const before = Date.now();
    if (how === 'is cut') await cut(driver);
    else await driver.client.endAsync();
    await fleet.told(driverId, 'OFFLINE');
    expect(Date.now() - before).toBeGreaterThanOrEqual(GRACE_MS - 100);
    expect(await fleet.storedOf(driverId)).toBe('OFFLINE');
  });

  test('and who is back within the grace time, or has a second one, is there all the time', async () => {
    const [returning, twice, gone] = [fleet.newDriver(), fleet.newDriver(), fleet.newDriver()];
    const first = await fleet.connect(returning);
    const one = await fleet.connect(twice);
    const other = await fleet.connect(twice, will(twice));
    const marker = await fleet.connect(gone);
    for (const [client, driverId] of [
      [first, returning],
      [one, twice],
      [marker, gone],
    ] as const)
      await say(client, driverId, 'BUSY');
    await Promise.all([cut(first), cut(other)]);
    const back = await fleet.connect(returning);
    // Lost after them, and OFFLINE: so their time is over as well
    await cut(marker);
    await fleet.told(gone, 'OFFLINE');
    expect([fleet.toldOf(returning), fleet.toldOf(twice)]).toEqual([['BUSY'], ['BUSY']]);
    await Promise.all([back.end(), one.end()]);
  });
});

test('from EN_ROUTE to the end a driver is ON_TRIP, whatever it says, and then what it said last', async () => {
  const driverId = fleet.newDriver();
  const driver = await fleet.connect(driverId);
  await drive(driver, driverId);
  await say(driver, driverId, 'ONLINE');
  const trip = await desk.book({ driverId });
  expect(await fleet.storedOf(driverId)).toBe('ONLINE');
  await desk.move(trip.id, 'EN_ROUTE');
  await fleet.told(driverId, 'ON_TRIP');
  for (const status of ['OFFLINE', 'BUSY']) await say(driver, driverId, status);
  await desk.move(trip.id, 'ARRIVED');
  await drive(driver, driverId);
  expect([await fleet.storedOf(driverId), await fleet.nearbyOf(driverId)]).toEqual(['ON_TRIP', 'ON_TRIP']);
  expect((await fleet.retainedOf(driverId)).payload).toMatchObject({ status: 'ON_TRIP' });
  await desk.move(trip.id, 'IN_PROGRESS');
  await desk.move(trip.id, 'COMPLETED');
  await fleet.toldSo(driverId, 'ONLINE', 'ON_TRIP', 'BUSY');
  expect(await fleet.storedOf(driverId)).toBe('BUSY');
  await driver.end();
});

test('a driver on a trip who is lost is ON_TRIP to its end, and OFFLINE then', async () => {
  const driverId = fleet.newDriver();
  const driver = await fleet.connect(driverId, will(driverId));
  await say(driver, driverId, 'ONLINE');
  const trip = await desk.bookIn('IN_PROGRESS', { driverId });
  await cut(driver);
  await desk.move(trip.id, 'CANCELLED');
  await fleet.toldSo(driverId, 'ONLINE', 'ON_TRIP', 'OFFLINE');
});

test('a driver who is only named in a booking is told nothing of', async () => {
  const driverId = fleet.newDriver();
  const trip = await desk.book({ driverId });
  await desk.move(trip.id, 'CANCELLED');
  await fleet.everythingTold();
  expect(fleet.toldOf(driverId)).toEqual([]);
});
