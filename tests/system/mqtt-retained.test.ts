import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { errorOf, type Fleet, json, position, startFleet } from '../support/fleet.ts';
import type { Received, TestClient } from '../support/mqtt-client.ts';
import { token } from '../support/platform.ts';
import { decodePublish, encode, loginTcp, TYPE } from '../support/raw-mqtt.ts';

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet();
});
afterAll(() => fleet?.stop());

const statusOf = (driver: string) => `drivers/${driver}/status`;
const setStatus = ({ client }: TestClient, driver: string, status: string) =>
  client.publishAsync(statusOf(driver), json({ status }), { qos: 1 });
const says =
  (status: string) =>
  ({ payload }: Received) =>
    (payload as { status?: string }).status === status;

describe('a status', () => {
  test('reaches who follows the driver, as published, with driverId and receivedAt, not retained', async () => {
    const operator = await fleet.subscriber('OPERATOR', 'operator-1', statusOf('live-1'), 1);
    const driver = await fleet.client('DRIVER', 'live-1');
    for (const status of ['BUSY', 'ONLINE', 'OFFLINE']) {
      await setStatus(driver, 'live-1', status);
      expect(await operator.next(says(status))).toEqual({
        topic: statusOf('live-1'),
        qos: 1,
        retain: false,
        payload: { status, driverId: 'live-1', receivedAt: expect.any(String) },
      });
    }
  });

  test.each([
    ['its topic', statusOf('kept-1')],
    ['a wildcard', 'drivers/+/status'],
  ])(
    'is kept for who subscribes later to %s: the last one, retained, at the QoS asked for',
    async (_way, filter) => {
      const driver = await fleet.client('DRIVER', 'kept-1');
      await setStatus(driver, 'kept-1', 'ONLINE');
      await setStatus(driver, 'kept-1', 'BUSY');
      for (const qos of [0, 1, 2] as const) {
        const operator = await fleet.subscriber('OPERATOR', `later-${qos}`, filter, qos);
        const ofDriver = ({ topic }: Received) => topic === statusOf('kept-1');
        expect(await operator.next(ofDriver)).toEqual({
          topic: statusOf('kept-1'),
          qos,
          retain: true,
          payload: { status: 'BUSY', driverId: 'kept-1', receivedAt: expect.any(String) },
        });
        await setStatus(driver, 'kept-1', 'ONLINE');
        expect(await operator.next(says('ONLINE'))).toMatchObject({ qos, retain: false });
        await setStatus(driver, 'kept-1', 'BUSY');
        await operator.next((message) => says('BUSY')(message) && !message.retain);
        expect(operator.received.filter(ofDriver)).toHaveLength(3);
        await operator.end();
      }
    },
  );

  test('can neither be cleared nor replaced by a retained message that breaks the rules', async () => {
    const driver = await fleet.subscriber('DRIVER', 'poison-1', 'drivers/poison-1/errors', 1);
    await setStatus(driver, 'poison-1', 'BUSY');
    for (const payload of ['', '{"status":"GONE"}', 'x'])
      await driver.client.publishAsync(statusOf('poison-1'), payload, { qos: 1, retain: true });
    const operator = await fleet.subscriber('OPERATOR', 'operator-2', statusOf('poison-1'));
    expect(await operator.next(() => true)).toMatchObject({ retain: true, payload: { status: 'BUSY' } });
    expect(driver.received.map(errorOf).map(({ code }) => code)).toEqual([
      'INVALID_PAYLOAD',
      'INVALID_PAYLOAD',
      'INVALID_PAYLOAD',
    ]);
  });

  test('of another driver is not what a driver gets by subscribing to more than its own', async () => {
    const driver = await fleet.client('DRIVER', 'secret-1');
    await setStatus(driver, 'secret-1', 'BUSY');
    const spy = await loginTcp(fleet.platform.ports.mqtt, { token: await token('DRIVER', 'spy-1') });
    spy.send(
      encode.subscribe(1, [
        ['drivers/+/status', 0],
        ['drivers/secret-1/status', 0],
        ['drivers/spy-1/+', 0],
        ['#', 0],
      ]),
    );
    expect([...(await spy.next(TYPE.SUBACK)).body.subarray(2)]).toEqual([0x80, 0x80, 0, 0x80]);
    spy.send(encode.publish('drivers/spy-1/status', json({ status: 'BUSY' }), { qos: 1 }));
    expect(decodePublish(await spy.next(TYPE.PUBLISH)).topic).toBe('drivers/spy-1/status');
    spy.end();
  });
});

describe('the retained flag of a client', () => {
  test.each([
    ['location', json(position())],
    ['locations', json([position({ recordedAt: Date.now() - 5000 })])],
    ['errors', '{"code":"FORGED"}'],
  ])('keeps nothing on drivers/{id}/%s', async (level, payload) => {
    const id = `flag-${level}`;
    const sender = await fleet.client('SERVICE', 'service-1');
    await sender.client.publishAsync(`drivers/${id}/${level}`, payload, { qos: 1, retain: true });
    const later = await fleet.subscriber('DRIVER', id, `drivers/${id}/#`, 1);
    // The marker: a message of now, before which whatever is retained would have come
    await sender.client.publishAsync(
      `drivers/${id}/location`,
      json(position({ speed: 7, recordedAt: Date.now() + 1000 })),
      { qos: 1 },
    );
    await later.next(({ payload: message }) => (message as { speed?: number }).speed === 7);
    const about = later.received.filter(({ topic }) => !topic.endsWith('/status'));
    expect(about).toEqual([expect.objectContaining({ topic: `drivers/${id}/location`, retain: false })]);
  });

  test('makes no difference to who follows: the flag is off for them', async () => {
    const filters = ['drivers/flagged-1/location', 'drivers/flagged-1/status'];
    const operator = await fleet.subscriber('OPERATOR', 'operator-3', filters, 2);
    const driver = await fleet.client('DRIVER', 'flagged-1');
    await driver.client.publishAsync('drivers/flagged-1/location', json(position()), {
      qos: 1,
      retain: true,
    });
    await driver.client.publishAsync(statusOf('flagged-1'), json({ status: 'BUSY' }), {
      qos: 2,
      retain: true,
    });
    for (const level of ['location', 'status'])
      expect(await operator.next(({ topic }) => topic === `drivers/flagged-1/${level}`)).toMatchObject({
        retain: false,
      });
  });
});
