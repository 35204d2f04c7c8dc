import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { errorOf, type Fleet, iso, json, position, startFleet } from '../support/fleet.ts';
import type { TestClient } from '../support/mqtt-client.ts';
import { token } from '../support/platform.ts';
import { encode, loginTcp, TYPE } from '../support/raw-mqtt.ts';

let fleet: Fleet;
let operator: TestClient;

beforeAll(async () => {
  fleet = await startFleet();
  operator = await fleet.subscriber('OPERATOR', 'operator-1', 'drivers/+/location');
});
afterAll(() => fleet?.stop());

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const place = '"latitude": 48.2, "longitude": 16.4';

const cases: [name: string, payload: string | Buffer, code: string, message: RegExp][] = [
  ['nothing', '', 'INVALID_PAYLOAD', /./],
  ['not JSON', 'latitude=48.2', 'INVALID_PAYLOAD', /JSON/],
  ['half of it', '{"latitude": 48.2', 'INVALID_PAYLOAD', /JSON/],
  ['bytes', Buffer.from([0xff, 0xfe, 0, 1, 2]), 'INVALID_PAYLOAD', /./],
  ['an array', `[{${place}}]`, 'INVALID_PAYLOAD', /object/],
  ['null', 'null', 'INVALID_PAYLOAD', /object/],
  ['a number', '48.2', 'INVALID_PAYLOAD', /object/],
  ['an empty object', '{}', 'INVALID_PAYLOAD', /latitude.*longitude/],
  ['no latitude', '{"longitude": 16.4}', 'INVALID_PAYLOAD', /latitude/],
  ['latitude null', '{"latitude": null, "longitude": 16.4}', 'INVALID_PAYLOAD', /latitude/],
  [
    'numbers as strings',
    '{"latitude": "48.2", "longitude": "16.4"}',
    'INVALID_PAYLOAD',
    /latitude.*longitude/,
  ],
  ['NaN', '{"latitude": NaN, "longitude": 16.4}', 'INVALID_PAYLOAD', /JSON/],
  ['NaN as text', '{"latitude": "NaN", "longitude": 16.4}', 'INVALID_PAYLOAD', /latitude/],
  ['1e400', '{"latitude": 48.2, "longitude": 16.4, "altitude": 1e400}', 'INVALID_PAYLOAD', /altitude/],
  ['-1e400 degrees', '{"latitude": -1e400, "longitude": 16.4}', 'INVALID_PAYLOAD', /latitude/],
  ['latitude 91', '{"latitude": 91, "longitude": 16.4}', 'INVALID_PAYLOAD', /latitude/],
  ['latitude -90.0001', '{"latitude": -90.0001, "longitude": 16.4}', 'INVALID_PAYLOAD', /latitude/],
  ['longitude 181', '{"latitude": 48.2, "longitude": 181}', 'INVALID_PAYLOAD', /longitude/],
  ['bearing 360', `{${place}, "bearing": 360}`, 'INVALID_PAYLOAD', /bearing/],
  ['bearing -1', `{${place}, "bearing": -1}`, 'INVALID_PAYLOAD', /bearing/],
  ['speed -1', `{${place}, "speed": -1}`, 'INVALID_PAYLOAD', /speed/],
  ['speed true', `{${place}, "speed": true}`, 'INVALID_PAYLOAD', /speed/],
  ['battery 101', `{${place}, "battery": 101}`, 'INVALID_PAYLOAD', /battery/],
  ['recordedAt garbage', `{${place}, "recordedAt": "yesterday"}`, 'INVALID_PAYLOAD', /recordedAt/],
  [
    'recordedAt 30 February',
    `{${place}, "recordedAt": "2026-02-30T00:00:00Z"}`,
    'INVALID_PAYLOAD',
    /recordedAt/,
  ],
  ['recordedAt 1e300', `{${place}, "recordedAt": 1e300}`, 'INVALID_PAYLOAD', /recordedAt/],
  ['recordedAt an object', `{${place}, "recordedAt": {}}`, 'INVALID_PAYLOAD', /recordedAt/],
  ['recordedAt 1970', `{${place}, "recordedAt": "1970-01-01T00:00:00Z"}`, 'TOO_OLD', /recordedAt/],
  [
    'recordedAt in seconds',
    `{${place}, "recordedAt": ${Math.floor(Date.now() / 1000)}}`,
    'TOO_OLD',
    /recordedAt/,
  ],
  [
    'recordedAt 8 days ago',
    `{${place}, "recordedAt": ${Date.now() - 8 * 86_400_000}}`,
    'TOO_OLD',
    /recordedAt/,
  ],
  ['recordedAt in 2100', `{${place}, "recordedAt": "2100-01-01T00:00:00Z"}`, 'IN_FUTURE', /recordedAt/],
  ['nested 10,000 deep', nested(10_000), 'INVALID_PAYLOAD', /./],
  ['__proto__ with the coordinates', `{"__proto__": {${place}}}`, 'INVALID_PAYLOAD', /latitude/],
  ['a duplicate key that is wrong at last', `{${place}, "latitude": 91}`, 'INVALID_PAYLOAD', /latitude/],
];

describe.each([0, 1, 2] as const)('a position sent at QoS %i', (qos) => {
  test('that breaks a rule is acknowledged and reported, not stored, not delivered; the connection stays', async () => {
    const driverId = `refused-${qos}`;
    const topic = `drivers/${driverId}/location`;
    const driver = await fleet.subscriber('DRIVER', driverId, `drivers/${driverId}/errors`, qos);
    const before = Date.now();
    for (const [name, payload, code, message] of cases) {
      const seen = driver.received.length;
      await driver.client.publishAsync(topic, payload, { qos });
      const report = await driver.next((received) => driver.received.indexOf(received) === seen);
      expect({ name, ...report }).toEqual({
        name,
        topic: `drivers/${driverId}/errors`,
        qos,
        retain: false,
        payload: { code, message: expect.stringMatching(message), topic, at: expect.any(String) },
      });
      const at = Date.parse(errorOf(report).at);
      expect(iso(at)).toBe(errorOf(report).at);
      expect(at).toBeGreaterThanOrEqual(before - 1000);
    }
    expect(driver.client.connected).toBe(true);
    await driver.client.publishAsync(topic, json(position({ speed: 1 })), { qos: 1 });
    const first = await operator.next((received) => received.topic === topic);
    expect(first.payload).toMatchObject({ speed: 1 });
    expect(await fleet.history(driverId)).toHaveLength(1);
    expect(driver.received).toHaveLength(cases.length);
  });
});

test('a time more than 60 s ahead is IN_FUTURE, one of 59 s is not', async () => {
  const driver = await fleet.subscriber('DRIVER', 'clock-1', 'drivers/clock-1/errors');
  // The way to the broker takes its time too, and makes less of what is ahead: 65 s is still too much after it
  for (const [speed, ahead] of [
    [1, 65_000],
    [2, 59_000],
  ] as const)
    await driver.client.publishAsync(
      'drivers/clock-1/location',
      json(position({ speed, recordedAt: Date.now() + ahead })),
      { qos: 1 },
    );
  const report = await driver.next(() => true);
  expect(errorOf(report)).toMatchObject({ code: 'IN_FUTURE', topic: 'drivers/clock-1/location' });
  expect(await fleet.history('clock-1')).toMatchObject([{ speed: 2 }]);
});

test('names every field that is wrong', async () => {
  const driver = await fleet.subscriber('DRIVER', 'fields-1', 'drivers/fields-1/errors');
  const wrong = { latitude: 91, longitude: '16', bearing: 400, speed: -2, accuracy: -1, battery: 200 };
  await driver.client.publishAsync('drivers/fields-1/location', json(wrong), { qos: 1 });
  const { message } = errorOf(await driver.next(() => true));
  for (const field of Object.keys(wrong)) expect(message).toContain(field);
});

test('refusals of who may send for others go to the sender, not to the driver', async () => {
  const driver = await fleet.subscriber('DRIVER', 'innocent-1', 'drivers/innocent-1/#');
  const service = await fleet.subscriber('SERVICE', 'booking', 'drivers/booking/errors');
  await service.client.publishAsync('drivers/innocent-1/location', '{}', { qos: 1 });
  expect(errorOf(await service.next(() => true))).toMatchObject({
    code: 'INVALID_PAYLOAD',
    topic: 'drivers/innocent-1/location',
  });
  await driver.client.publishAsync('drivers/innocent-1/location', json(position()), { qos: 1 });
  await driver.next(({ topic }) => topic.endsWith('/location'));
  expect(driver.received.map(({ topic }) => topic)).not.toContain('drivers/innocent-1/errors');
});

test('every refusal is counted, by its code', async () => {
  const count = async () => {
    const text = await (await fetch(`${fleet.platform.urls.metrics}/metrics`)).text();
    const lines = [
      ...text.matchAll(/^fleetcast_(?:positions|refusals)_total\{(?:verdict|code)="(\w+)"\} (\d+)$/gm),
    ];
    const counts = new Map<string, number>();
    for (const [, code = '', value] of lines) counts.set(code, (counts.get(code) ?? 0) + Number(value));
    return (code: string) => counts.get(code) ?? 0;
  };
  const driver = await fleet.client('DRIVER', 'counted-1');
  const before = await count();
  const sent: [level: string, payload: string][] = [
    ['location', '{}'],
    ['locations', '{}'],
    ['status', '{}'],
    ['location', json(position({ recordedAt: 0 }))],
    [
      'locations',
      json([position(), position({ recordedAt: 0 }), position({ recordedAt: '2100-01-01T00:00:00Z' })]),
    ],
    ['nowhere', ''],
    ['location', json(position())],
  ];
  for (const [level, payload] of sent)
    await driver.client.publishAsync(`drivers/counted-1/${level}`, payload, { qos: 1 });
  const after = await count();
  const codes = ['INVALID_PAYLOAD', 'TOO_OLD', 'IN_FUTURE', 'FORBIDDEN', 'accepted'];
  expect(codes.map((code) => [code, after(code) - before(code)])).toEqual([
    ['INVALID_PAYLOAD', 3],
    ['TOO_OLD', 2],
    ['IN_FUTURE', 1],
    ['FORBIDDEN', 1],
    ['accepted', 2],
  ]);
});

test('acknowledgements follow the order of the publishes, whatever becomes of each', async () => {
  const raw = await loginTcp(fleet.platform.ports.mqtt, { token: await token('DRIVER', 'order-1') });
  const ids = Array.from({ length: 200 }, (_, index) => index + 1);
  const topics = [
    ['location', json(position())],
    ['location', '{}'],
    ['status', json({ status: 'BUSY' })],
    ['locations', json([position(), { latitude: 91 }])],
    ['trips', '{}'],
    ['status', json({ status: 'ON_TRIP' })],
  ] as const;
  const qosOf = (id: number) => (id % 7 === 0 ? 2 : 1);
  const packets = ids.map((id) => {
    const [level, payload] = topics[id % topics.length] ?? ['location', ''];
    return encode.publish(`drivers/order-1/${level}`, payload, { qos: qosOf(id), id });
  });
  raw.send(...packets);
  // MQTT 3.1.1, 4.6: the PUBACKs in their order, the PUBRECs in theirs
  const acknowledged: Record<number, number[]> = { 1: [], 2: [] };
  for (let count = 0; count < ids.length; count++) {
    const { type, body } = await raw.next(TYPE.PUBACK, TYPE.PUBREC);
    acknowledged[type === TYPE.PUBACK ? 1 : 2]?.push(body.readUInt16BE(0));
  }
  expect(acknowledged).toEqual({
    1: ids.filter((id) => qosOf(id) === 1),
    2: ids.filter((id) => qosOf(id) === 2),
  });
  raw.end();
});
