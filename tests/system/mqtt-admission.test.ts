import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Fleet, iso, json, position, startFleet } from '../support/fleet.ts';
import type { Received, TestClient } from '../support/mqtt-client.ts';
import { token } from '../support/platform.ts';
import { decodePublish, encode, loginTcp, TYPE } from '../support/raw-mqtt.ts';

let fleet: Fleet;
let operator: TestClient;

beforeAll(async () => {
  fleet = await startFleet();
  operator = await fleet.subscriber('OPERATOR', 'operator-1', 'drivers/+/location', 2);
});
afterAll(() => fleet?.stop());

const topicOf = (driver: string) => `drivers/${driver}/location`;
const of =
  (driver: string, fields: Record<string, unknown> = {}) =>
  ({ topic, payload }: Received) =>
    topic === topicOf(driver) &&
    Object.entries(fields).every(([name, value]) => (payload as Record<string, unknown>)[name] === value);
/** What a subscriber has of a driver, in the order of arrival. */
const had = (subscriber: TestClient, driver: string) =>
  subscriber.received.filter(of(driver)).map(({ payload }) => payload as Record<string, unknown>);

describe('an accepted position', () => {
  test.each(['mqtt', 'ws'] as const)('sent over %s reaches an operator as section 6 has it', async (way) => {
    const driverId = `full-${way}`;
    const url = fleet.platform.urls[way];
    const [sender, reader] = await Promise.all([
      fleet.client('DRIVER', driverId, { url }),
      fleet.client('OPERATOR', `operator-${way}`, { url }),
    ]);
    await reader.client.subscribeAsync('drivers/+/location', { qos: 2 });
    const sentAt = Date.now();
    const sent = position({
      bearing: 359.9,
      speed: 0,
      accuracy: 5,
      altitude: -12.5,
      battery: 80,
      recordedAt: iso(sentAt - 1500),
    });
    await sender.client.publishAsync(topicOf(driverId), json({ ...sent, driverId: 'other', model: 'x' }), {
      qos: 1,
    });
    for (const subscriber of [reader, operator]) {
      const message = await subscriber.next(of(driverId));
      expect(message).toEqual({
        topic: topicOf(driverId),
        qos: 0,
        retain: false,
        payload: { ...sent, driverId, receivedAt: expect.any(String) },
      });
      const { receivedAt } = message.payload as { receivedAt: string };
      expect(Math.abs(Date.parse(receivedAt) - sentAt)).toBeLessThan(30_000);
    }
    expect(await fleet.history(driverId)).toEqual([{ ...sent, driverId, receivedAt: expect.any(String) }]);
  });

  test.each([0, 1, 2] as const)('may be sent at QoS %i', async (qos) => {
    const driverId = `qos-${qos}`;
    const sender = await fleet.client('DRIVER', driverId);
    await sender.client.publishAsync(topicOf(driverId), json(position({ speed: qos })), { qos });
    expect(await operator.next(of(driverId))).toMatchObject({
      qos: 0,
      retain: false,
      payload: { speed: qos },
    });
    // QoS 0 has no acknowledgement: a later message's shows that it was dealt with
    await sender.client.publishAsync(topicOf(driverId), json(position({ speed: 9 })), { qos: 1 });
    expect((await fleet.history(driverId)).map((item) => (item as { speed?: number }).speed)).toEqual([
      qos,
      9,
    ]);
  });

  test('is in the history as soon as it is acknowledged', async () => {
    const sender = await fleet.client('DRIVER', 'kept-1');
    for (let index = 1; index <= 5; index++) {
      await sender.client.publishAsync(topicOf('kept-1'), json(position()), { qos: 1 });
      expect(await fleet.history('kept-1')).toHaveLength(index);
    }
  });

  test('may have a time up to 60 s ahead, in any notation', async () => {
    const sender = await fleet.client('DRIVER', 'ahead-1');
    const times = [Date.now() - 6 * 86_400_000, Date.now(), Date.now() + 59_000];
    const written = [times[0], iso(times[1] ?? 0).replace('Z', '+00:00'), iso(times[2] ?? 0)];
    for (const recordedAt of written)
      await sender.client.publishAsync(topicOf('ahead-1'), json(position({ recordedAt })), { qos: 1 });
    expect((await fleet.history('ahead-1')).map(({ recordedAt }) => recordedAt)).toEqual(times.map(iso));
  });

  test('may stand at the very edge of every range', async () => {
    const sender = await fleet.client('DRIVER', 'edge-1');
    const edges = [
      { latitude: 90, longitude: 180, bearing: 0, speed: 0, accuracy: 0, battery: 0 },
      { latitude: -90, longitude: -180, bearing: 359.999, speed: 1e6, altitude: -1e6, battery: 100 },
      { latitude: -0, longitude: -0 },
    ];
    for (const edge of edges) await sender.client.publishAsync(topicOf('edge-1'), json(edge), { qos: 1 });
    expect(await fleet.history('edge-1')).toMatchObject([edges[0], edges[1], { latitude: 0, longitude: 0 }]);
  });

  test('reaches the driver itself, on its own topic', async () => {
    const driver = await fleet.subscriber('DRIVER', 'self-1', topicOf('self-1'));
    await driver.client.publishAsync(topicOf('self-1'), json(position({ speed: 3 })), { qos: 1 });
    expect(await driver.next(of('self-1'))).toMatchObject({ payload: { speed: 3 } });
  });

  test('is delivered once, however many filters match', async () => {
    const reader = await fleet.subscriber('OPERATOR', 'operator-2', [
      'drivers/+/location',
      topicOf('twice-1'),
      '+/twice-1/location',
    ]);
    const sender = await fleet.client('DRIVER', 'twice-1');
    for (const speed of [1, 2])
      await sender.client.publishAsync(topicOf('twice-1'), json(position({ speed })), { qos: 1 });
    await reader.next(of('twice-1', { speed: 2 }));
    expect(had(reader, 'twice-1').map(({ speed }) => speed)).toEqual([1, 2]);
  });
});

describe('the same position', () => {
  test('resent is acknowledged, and stored and delivered once', async () => {
    const sender = await fleet.client('DRIVER', 'again-1');
    const recordedAt = Date.now() - 1000;
    const again = Array.from({ length: 200 }, () =>
      sender.client.publishAsync(topicOf('again-1'), json(position({ recordedAt })), { qos: 1 }),
    );
    expect(await Promise.all(again)).toHaveLength(200);
    await sender.client.publishAsync(topicOf('again-1'), json(position({ speed: 1 })), { qos: 1 });
    await operator.next(of('again-1', { speed: 1 }));
    expect(had(operator, 'again-1')).toHaveLength(2);
    expect((await fleet.history('again-1'))[0]).toMatchObject({ recordedAt: iso(recordedAt) });
    expect(await fleet.history('again-1')).toHaveLength(2);
  });

  test('without a time is never the same: all that come in one millisecond are stored', async () => {
    const sender = await fleet.client('DRIVER', 'timeless-1');
    await Promise.all(
      Array.from({ length: 100 }, (_, speed) =>
        sender.client.publishAsync(topicOf('timeless-1'), json(position({ speed })), { qos: 1 }),
      ),
    );
    const stored = await fleet.history('timeless-1');
    // In the order in which they were sent
    expect(stored.map((item) => (item as { speed?: number }).speed)).toEqual(stored.map((_, index) => index));
    expect(stored).toHaveLength(100);
    expect(new Set(stored.map(({ recordedAt }) => recordedAt)).size).toBe(100);
    expect(had(operator, 'timeless-1').map(({ speed }) => speed)).toEqual(stored.map((_, index) => index));
  });

  test('sent again as the QoS 2 message that it is (DUP, same packet id) is stored once, also without a time', async () => {
    const raw = await loginTcp(fleet.platform.ports.mqtt, { token: await token('DRIVER', 'dup-1') });
    const once = json(position({ speed: 1 }));
    raw.send(encode.publish(topicOf('dup-1'), once, { qos: 2, id: 7 }));
    await raw.next(TYPE.PUBREC);
    raw.send(encode.publish(topicOf('dup-1'), once, { qos: 2, id: 7, dup: true }));
    await raw.next(TYPE.PUBREC);
    raw.send(encode.acknowledge(TYPE.PUBREL, 7));
    await raw.next(TYPE.PUBCOMP);
    // The id is free again: this is a message of its own
    raw.send(encode.publish(topicOf('dup-1'), json(position({ speed: 2 })), { qos: 2, id: 7 }));
    await raw.next(TYPE.PUBREC);
    raw.end();
    const stored = await fleet.history('dup-1');
    expect(stored.map((item) => (item as { speed?: number }).speed)).toEqual([1, 2]);
  });

  test('sent as a repetition (DUP) of a QoS 2 message that never came is a message like any other', async () => {
    const raw = await loginTcp(fleet.platform.ports.mqtt, { token: await token('DRIVER', 'dup-2') });
    const busy = json({ status: 'BUSY' });
    raw.send(
      encode.publish(topicOf('dup-2'), json(position()), { qos: 2, id: 1, dup: true }),
      encode.publish('drivers/dup-2/status', busy, { qos: 2, id: 2, dup: true }),
      encode.publish('drivers/dup-2/status', busy, { qos: 1, id: 3 }),
      encode.publish('drivers/dup-2/status', busy, { qos: 2, id: 4, dup: true }),
      encode.publish(topicOf('dup-2'), json(position()), { qos: 1, id: 5, dup: true }),
    );
    const acknowledged: number[] = [];
    while (acknowledged.length < 5)
      acknowledged.push((await raw.next(TYPE.PUBACK, TYPE.PUBREC)).body.readUInt16BE(0));
    expect(acknowledged.sort()).toEqual([1, 2, 3, 4, 5]);
    expect(await fleet.history('dup-2')).toHaveLength(2);
    raw.end();
  });
});

test('an older position is stored, and not delivered after a newer one', async () => {
  const sender = await fleet.client('DRIVER', 'backwards-1');
  const now = Date.now();
  for (const [speed, recordedAt] of [
    [1, now - 3000],
    [3, now - 1000],
    [2, now - 2000],
    [4, now],
  ])
    await sender.client.publishAsync(topicOf('backwards-1'), json(position({ speed, recordedAt })), {
      qos: 1,
    });
  await operator.next(of('backwards-1', { speed: 4 }));
  expect(had(operator, 'backwards-1').map(({ speed }) => speed)).toEqual([1, 3, 4]);
  const stored = await fleet.history('backwards-1');
  expect(stored.map((item) => (item as { speed?: number }).speed)).toEqual([1, 2, 3, 4]);
});

test('positions of many drivers at once all arrive, each in its order', async () => {
  const service = await fleet.client('SERVICE', 'service-1');
  const drivers = Array.from({ length: 20 }, (_, index) => `many-${index}`);
  const speeds = Array.from({ length: 50 }, (_, index) => index);
  await Promise.all(
    speeds.flatMap((speed) =>
      drivers.map((driver) =>
        service.client.publishAsync(topicOf(driver), json(position({ speed })), { qos: 1 }),
      ),
    ),
  );
  for (const driver of drivers) {
    await operator.next(of(driver, { speed: 49 }));
    expect(had(operator, driver).map(({ speed }) => speed)).toEqual(speeds);
  }
});

test('a raw PUBLISH to subscribers carries neither retain nor a packet id', async () => {
  const raw = await loginTcp(fleet.platform.ports.mqtt, { token: await token('OPERATOR', 'operator-3') });
  raw.send(encode.subscribe(1, [['drivers/+/location', 1]]));
  expect((await raw.next(TYPE.SUBACK)).body.subarray(2)).toEqual(Buffer.from([1]));
  const sender = await fleet.client('DRIVER', 'raw-1');
  await sender.client.publishAsync(topicOf('raw-1'), json(position()), { qos: 1, retain: true });
  const message = await raw.next(TYPE.PUBLISH);
  raw.end();
  expect(message.flags).toBe(0);
  expect(decodePublish(message)).toMatchObject({ topic: topicOf('raw-1'), payload: position() });
});
