import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hasSpeed, latestPosition, ownTracksLocation } from '../support/devices.ts';
import { errorOf, type Fleet, isError, json, position, startFleet } from '../support/fleet.ts';
import type { TestClient } from '../support/mqtt-client.ts';
import { token } from '../support/platform.ts';
import { decodePublish, encode, loginTcp, TYPE } from '../support/raw-mqtt.ts';

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet();
});
afterAll(() => fleet?.stop());

/** As the app connects: a client id of its own, and a session that stays. */
const app = (sub: string) => fleet.client('DRIVER', sub, { clientId: `${sub}phone`, clean: false });

/** As the app publishes. */
const send = ({ client }: TestClient, topic: string, payload: string) =>
  client.publishAsync(topic, payload, { qos: 1, retain: true });

const latest = (driverId: string) => latestPosition(fleet.platform, driverId);

describe('a topic of another user', () => {
  test('is refused to a driver', async () => {
    const operator = await fleet.subscriber('OPERATOR', 'operator-4', 'drivers/+/location');
    const phone = await app('mallory');
    await phone.client.subscribeAsync('drivers/mallory/errors', { qos: 1 });
    for (const topic of ['owntracks/victim/phone', 'owntracks/victim/phone/event']) {
      await send(phone, topic, ownTracksLocation());
      expect(
        errorOf(
          await phone.next((message) => isError('FORBIDDEN')(message) && errorOf(message).topic === topic),
        ),
      ).toMatchObject({ topic });
    }
    await send(phone, 'owntracks/mallory/phone', ownTracksLocation({ vel: 72 }));
    await operator.next(hasSpeed(20));
    expect(operator.received.map(({ topic }) => topic)).not.toContain('drivers/victim/location');
    expect(await latest('victim')).toMatchObject({ status: 404 });
  });

  test('is refused to a rider and an operator, also their own', async () => {
    for (const [role, errors] of [
      ['RIDER', 'riders/other/errors'],
      ['OPERATOR', 'drivers/other/errors'],
    ] as const) {
      const client = await fleet.subscriber(role, 'other', errors, 1);
      await send(client, 'owntracks/other/phone', ownTracksLocation());
      expect(errorOf(await client.next(() => true))).toMatchObject({ code: 'FORBIDDEN' });
    }
    expect(await latest('other')).toMatchObject({ status: 404 });
  });

  test('is open to a service', async () => {
    const gateway = await fleet.client('SERVICE', 'gateway');
    await send(gateway, 'owntracks/served/box', ownTracksLocation({ vel: 90 }));
    expect(await latest('served')).toMatchObject({ status: 200, body: { driverId: 'served', speed: 25 } });
  });
});

describe("the app's subscriptions", () => {
  const filters = [
    'owntracks/+/+',
    'owntracks/+/+/event',
    'owntracks/+/+/info',
    'owntracks/friend/phone/cmd',
  ];

  test('are granted; those of another user are not', async () => {
    const raw = await loginTcp(fleet.platform.ports.mqtt, { token: await token('DRIVER', 'friend') });
    const others = ['owntracks/jane/+', 'owntracks/jane/phone/cmd'];
    raw.send(
      encode.subscribe(
        1,
        [...filters, ...others].map((filter) => [filter, 1] as const),
      ),
    );
    expect([...(await raw.next(TYPE.SUBACK)).body.subarray(2)]).toEqual([1, 1, 1, 1, 0x80, 0x80]);
    raw.end();
  });

  test("show nobody's messages, neither live nor retained", async () => {
    const jane = await app('sender');
    const spies = await Promise.all(
      (['DRIVER', 'OPERATOR'] as const).map((role) =>
        fleet.subscriber(role, 'spy', ['owntracks/+/+', 'owntracks/#', 'drivers/spy/location'], 1),
      ),
    );
    await send(jane, 'owntracks/sender/phone', ownTracksLocation());
    await send(jane, 'owntracks/sender/phone/event', '{"_type":"transition"}');
    const late = await fleet.subscriber('DRIVER', 'spy', ['owntracks/#', 'drivers/spy/location'], 1);
    const service = await fleet.client('SERVICE', 'marker');
    await send(service, 'drivers/spy/location', json(position({ speed: 7 })));
    for (const spy of [...spies, late]) {
      await spy.next(hasSpeed(7));
      expect(spy.received.map(({ topic }) => topic)).toEqual(['drivers/spy/location']);
    }
  });

  test('hold over a reconnect, and still show nothing', async () => {
    const raw = await loginTcp(fleet.platform.ports.mqtt, {
      token: await token('DRIVER', 'sleeper'),
      clientId: 'phone',
      clean: false,
    });
    raw.send(
      encode.subscribe(
        1,
        [...filters, 'drivers/sleeper/location'].map((filter) => [filter, 1] as const),
      ),
    );
    await raw.next(TYPE.SUBACK);
    raw.send(encode.disconnect());
    await raw.closed;
    await send(await app('night'), 'owntracks/night/phone', ownTracksLocation());
    const back = await loginTcp(fleet.platform.ports.mqtt, {
      token: await token('DRIVER', 'sleeper'),
      clientId: 'phone',
      clean: false,
    });
    back.send(encode.publish('owntracks/sleeper/phone', ownTracksLocation({ vel: 54 }), { qos: 1 }));
    const message = decodePublish(await back.next(TYPE.PUBLISH));
    expect(message).toMatchObject({ topic: 'drivers/sleeper/location', payload: { speed: 15 } });
    back.end();
  });
});
