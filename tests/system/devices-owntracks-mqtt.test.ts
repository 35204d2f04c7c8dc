import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  hasSpeed,
  latestPosition,
  otherOwnTracksMessages,
  ownTracksLocation,
  seconds,
} from '../support/devices.ts';
import { errorOf, type Fleet, isError, startFleet } from '../support/fleet.ts';
import type { TestClient } from '../support/mqtt-client.ts';

let fleet: Fleet;

/** One live position an hour: what gets through beside is a backlog. */
beforeAll(async () => {
  fleet = await startFleet({ LOCATION_MIN_INTERVAL_MS: '3600000', OFFLINE_GRACE_MS: '200' });
});
afterAll(() => fleet?.stop());

/** As the app connects: a client id of its own, and a session that stays. */
const app = (sub: string) => fleet.client('DRIVER', sub, { clientId: `${sub}phone`, clean: false });

/** As the app publishes. */
const send = ({ client }: TestClient, topic: string, payload: string) =>
  client.publishAsync(topic, payload, { qos: 1, retain: true });

const latest = (driverId: string) => latestPosition(fleet.platform, driverId);

describe("the app's location", () => {
  test('is a position of its driver, over MQTT and REST, in our units', async () => {
    const operator = await fleet.subscriber('OPERATOR', 'operator-1', 'drivers/+/location');
    const now = Date.now();
    const payload = {
      vel: 61,
      cog: 271,
      alt: 167,
      batt: 41,
      tst: seconds(now),
      conn: 'm',
      inregions: ['Depot'],
    };
    await send(await app('jane'), 'owntracks/jane/phone', ownTracksLocation(payload));
    const expected = {
      driverId: 'jane',
      latitude: 48.2082,
      longitude: 16.3738,
      speed: 16.944,
      bearing: 271,
      altitude: 167,
      accuracy: 5,
      battery: 41,
      recordedAt: new Date(seconds(now) * 1000).toISOString(),
      receivedAt: expect.any(String),
    };
    expect(await operator.next(hasSpeed(16.944))).toEqual({
      topic: 'drivers/jane/location',
      qos: 0,
      retain: false,
      payload: expected,
    });
    expect(await latest('jane')).toMatchObject({ status: 200, body: { ...expected, status: 'ONLINE' } });
  });

  test('sent again after a lost acknowledgement is stored once', async () => {
    const phone = await app('resender');
    const payload = ownTracksLocation({ vel: 36 });
    for (let count = 0; count < 3; count++) await send(phone, 'owntracks/resender/phone', payload);
    expect(await fleet.history('resender')).toHaveLength(1);
  });

  test('kept while there was no network is stored whole, whatever the limit for live positions', async () => {
    const phone = await app('tunnel');
    await phone.client.subscribeAsync('drivers/tunnel/errors', { qos: 1 });
    const start = seconds(Date.now()) - 3600;
    const sent = Array.from({ length: 50 }, (_, second) =>
      send(phone, 'owntracks/tunnel/phone', ownTracksLocation({ tst: start + second })),
    );
    await Promise.all(sent);
    await send(phone, 'owntracks/tunnel/phone', ownTracksLocation({ vel: 36 }));
    expect((await fleet.history('tunnel')).map(({ recordedAt }) => Date.parse(recordedAt) / 1000)).toEqual([
      ...Array.from({ length: 50 }, (_, second) => start + second),
      expect.any(Number),
    ]);
    await send(phone, 'owntracks/tunnel/phone', ownTracksLocation({ vel: 37, tst: seconds(Date.now()) + 5 }));
    expect(errorOf(await phone.next(isError('RATE_LIMITED')))).toMatchObject({
      topic: 'owntracks/tunnel/phone',
      retryAfterMs: expect.any(Number),
    });
    expect(phone.received).toHaveLength(1);
  });

  test('as a last will counts like any other', async () => {
    const operator = await fleet.subscriber('OPERATOR', 'operator-2', 'drivers/willing/location');
    const topic = 'owntracks/willing/phone';
    const phone = await fleet.client('DRIVER', 'willing', {
      will: { topic, payload: Buffer.from(ownTracksLocation({ vel: 18 })), qos: 1, retain: true },
    });
    phone.client.stream.destroy();
    expect(await operator.next(hasSpeed(5))).toMatchObject({ topic: 'drivers/willing/location' });
  });

  test.each([
    ['a latitude of 91', ownTracksLocation({ lat: 91 }), 'INVALID_PAYLOAD'],
    ['no type', '{"lat":1,"lon":2}', 'INVALID_PAYLOAD'],
    ['no JSON', 'lat=1', 'INVALID_PAYLOAD'],
    ['a time of last year', ownTracksLocation({ tst: seconds(Date.now()) - 31_536_000 }), 'TOO_OLD'],
    ['a time of tomorrow', ownTracksLocation({ tst: seconds(Date.now()) + 86_400 }), 'IN_FUTURE'],
  ])('with %s is acknowledged, reported and not stored', async (_what, payload, code) => {
    const phone = await app('faulty');
    await phone.client.subscribeAsync('drivers/faulty/errors', { qos: 1 });
    await send(phone, 'owntracks/faulty/phone', payload);
    expect(errorOf(await phone.next(isError(code)))).toMatchObject({ topic: 'owntracks/faulty/phone' });
    expect(await fleet.history('faulty')).toEqual([]);
    await phone.end();
  });
});

test('everything else that the app sends is acknowledged, and leaves nothing behind', async () => {
  const phone = await app('talker');
  await phone.client.subscribeAsync('drivers/talker/errors', { qos: 1 });
  for (const { level, payload } of otherOwnTracksMessages)
    await send(phone, `owntracks/talker/phone${level}`, payload);
  for (const payload of ['', 'no JSON']) await send(phone, 'owntracks/talker/phone/waypoint', payload);
  await send(phone, 'owntracks/talker/phone', 'the marker');
  expect(errorOf(await phone.next(() => true)).message).toBe('the payload is not JSON');
  expect(phone.received).toHaveLength(1);
  expect(await latest('talker')).toMatchObject({ status: 404 });
});

test("the app's last will is in order", async () => {
  const operator = await fleet.subscriber('OPERATOR', 'operator-3', 'drivers/leaver/status', 1);
  const options = {
    clientId: 'leaver-phone',
    clean: false,
    will: {
      topic: 'owntracks/leaver/phone',
      payload: Buffer.from('{"_type":"lwt","tst":1}'),
      qos: 1,
      retain: true,
    },
  } as const;
  const phone = await fleet.client('DRIVER', 'leaver', options);
  await phone.client.subscribeAsync('drivers/leaver/errors', { qos: 1 });
  await phone.client.publishAsync('drivers/leaver/status', '{"status":"ONLINE"}', { qos: 1 });
  phone.client.stream.destroy();
  await operator.next(({ payload }) => (payload as { status: string }).status === 'OFFLINE');
  const back = await fleet.returning('DRIVER', 'leaver', 'leaver-phone');
  await send(back, 'owntracks/leaver/phone', 'the marker');
  await back.next(isError('INVALID_PAYLOAD'));
  expect(back.received).toHaveLength(1);
});
