import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { connectClient } from '../support/mqtt-client.ts';
import { type Platform, startPlatform, token } from '../support/platform.ts';
import { caller, expectProblem, wrongFields } from '../support/rest.ts';

let database: TestDatabase;
let platform: Platform;

beforeAll(async () => {
  database = await createMigratedDatabase();
  platform = await startPlatform({ DATABASE_URL: database.url });
});
afterAll(async () => {
  await platform?.stop();
  await database?.drop();
});

const as = async (driver: string) => caller(platform, await token('DRIVER', driver));
const path = (driver: string) => `/v1/drivers/${driver}/status`;

describe('PUT status', () => {
  test('stands in the latest position', async () => {
    const driver = await as('driver-1');
    expect((await driver.put(path('driver-1'), { status: 'BUSY' })).status).toBe(200);
    await driver.post('/v1/drivers/driver-1/location', { latitude: 1, longitude: 2 });
    expect((await driver.get('/v1/drivers/driver-1/location')).body).toMatchObject({ status: 'BUSY' });
    await driver.put(path('driver-1'), { status: 'ONLINE' });
    expect((await driver.get('/v1/drivers/driver-1/location')).body).toMatchObject({ status: 'ONLINE' });
  });

  test('alone makes no position', async () => {
    const driver = await as('driver-2');
    await driver.put(path('driver-2'), { status: 'ONLINE' });
    expectProblem(await driver.get('/v1/drivers/driver-2/location'), 404, 'NOT_FOUND');
    expect((await driver.get('/v1/drivers/driver-2/history')).body).toEqual({ items: [], nextCursor: null });
  });

  test('reaches who follows the driver over MQTT, and who asks later, retained', async () => {
    const driver = await as('driver-3');
    const operator = await connectClient(platform.urls.mqtt, await token('OPERATOR', 'operator-1'));
    const late = await connectClient(platform.urls.ws, await token('OPERATOR', 'operator-2'));
    const wanted = { status: 'OFFLINE', driverId: 'driver-3', receivedAt: expect.any(String) };
    try {
      await operator.client.subscribeAsync('drivers/+/status', { qos: 1 });
      await driver.put(path('driver-3'), { status: 'OFFLINE' });
      const live = await operator.next(({ topic }) => topic === 'drivers/driver-3/status');
      expect(live).toEqual({ topic: 'drivers/driver-3/status', payload: wanted, retain: false, qos: 1 });
      await late.client.subscribeAsync('drivers/driver-3/status', { qos: 1 });
      const kept = await late.next(({ topic }) => topic === 'drivers/driver-3/status');
      expect(kept).toEqual({ topic: 'drivers/driver-3/status', payload: wanted, retain: true, qos: 1 });
    } finally {
      await Promise.all([operator.end(), late.end()]);
    }
  });

  test.each([
    ['that only the server sets', { status: 'ON_TRIP' }, '/status'],
    ['in small letters', { status: 'online' }, '/status'],
    ['that is a number', { status: 1 }, '/status'],
    ['in an array', { status: ['ONLINE'] }, '/status'],
    ['that is missing', {}, '/status'],
    ['that is the whole body', '"ONLINE"', ''],
    ['in a list of bodies', [{ status: 'ONLINE' }], ''],
  ])('refuses a status %s, and nothing goes out', async (_name, body, field) => {
    const driver = await as('driver-4');
    const operator = await connectClient(platform.urls.mqtt, await token('OPERATOR', 'operator-3'));
    try {
      await driver.put(path('driver-4'), { status: 'BUSY' });
      await operator.client.subscribeAsync('drivers/driver-4/status');
      await operator.next(({ retain }) => retain);
      const problem = expectProblem(await driver.put(path('driver-4'), body), 400, 'INVALID_PAYLOAD');
      expect(wrongFields(problem)).toEqual([field]);
      await driver.put(path('driver-4'), { status: 'ONLINE' });
      await operator.next(({ payload }) => (payload as { status: string }).status === 'ONLINE');
      expect(operator.received.map(({ payload }) => (payload as { status: string }).status)).toEqual([
        'BUSY',
        'ONLINE',
      ]);
    } finally {
      await operator.end();
    }
  });
});
