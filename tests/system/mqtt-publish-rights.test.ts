import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Role } from '../../shared/auth/identity.ts';
import { errorOf, type Fleet, json, position, startFleet } from '../support/fleet.ts';
import type { TestClient } from '../support/mqtt-client.ts';
import { token } from '../support/platform.ts';
import { encode, loginTcp, TYPE } from '../support/raw-mqtt.ts';

let fleet: Fleet;
let operator: TestClient;

beforeAll(async () => {
  fleet = await startFleet();
  operator = await fleet.subscriber('OPERATOR', 'watcher', ['drivers/+/location', 'drivers/+/status'], 1);
});
afterAll(() => fleet?.stop());

const TRIP = '7b8f1c52-6a0e-4a6e-9d43-0f8f2f6b5a11';

type Sender = { role: Role; sub: string; trips?: string[]; errors: string };

const driver: Sender = { role: 'DRIVER', sub: 'driver-1', errors: 'drivers/driver-1/errors' };
const rider: Sender = { role: 'RIDER', sub: 'rider-1', errors: 'riders/rider-1/errors' };
const viewer: Sender = { role: 'VIEWER', sub: 'guest-1', trips: [TRIP], errors: 'riders/guest-1/errors' };
const staff: Sender = { role: 'OPERATOR', sub: 'operator-1', errors: 'drivers/operator-1/errors' };
const service: Sender = { role: 'SERVICE', sub: 'service-1', errors: 'drivers/service-1/errors' };

const login = async ({ role, sub, trips, errors }: Sender) => {
  const client = await fleet.client(role, sub, trips === undefined ? {} : { trips });
  await client.client.subscribeAsync(errors, { qos: 1 });
  return client;
};

const good = json(position());
const busy = json({ status: 'BUSY' });
const transition = json({ status: 'EN_ROUTE' });

/** Nobody may publish there: the server's own topics, what no table names, and wild ones. */
const nobodys = [
  'drivers/driver-1/errors',
  'drivers/driver-1/trips',
  'riders/rider-1/errors',
  'riders/rider-1/trips',
  `trips/${TRIP}/location`,
  `trips/${TRIP}/status`,
  '$SYS/broker/sub/add',
  '$SYS/x',
  '$share/g/drivers/driver-1/location',
  'drivers',
  'drivers/driver-1',
  'drivers/driver-1/location/x',
  '/drivers/driver-1/location',
  'drivers/driver-1/location/',
  'drivers//location',
  'drivers/driver 1/location',
  `drivers/${'a'.repeat(65)}/location`,
  'drivers/dríver/location',
  'DRIVERS/driver-1/location',
  'session/token/x',
  'session',
  '__proto__/constructor/location',
  'a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t',
  `${'x/'.repeat(200)}x`,
  'x'.repeat(5000),
  '/',
];

const refused: [Sender, string[]][] = [
  [
    driver,
    ['drivers/driver-2/location', 'drivers/driver-2/locations', 'drivers/driver-2/status', ...nobodys],
  ],
  [rider, ['drivers/rider-1/location', 'drivers/driver-1/status', `trips/${TRIP}/transition`, ...nobodys]],
  [viewer, ['drivers/guest-1/location', `trips/${TRIP}/transition`, ...nobodys]],
  [staff, ['drivers/driver-1/location', 'drivers/driver-1/locations', 'drivers/driver-1/status', ...nobodys]],
  [service, nobodys],
];

describe.each(refused.map(([sender, topics]) => ({ ...sender, sender, topics })))(
  '$role',
  ({ sender, topics }) => {
    test('is refused what it may not publish with FORBIDDEN, each time; the connection stays', async () => {
      const client = await login(sender);
      for (const [index, topic] of topics.entries()) {
        const payload = topic.endsWith('status') ? busy : topic.endsWith('transition') ? transition : good;
        await client.client.publishAsync(topic, payload, {
          qos: (index % 3) as 0 | 1 | 2,
          retain: index % 2 === 0,
        });
        const report = await client.next((message) => client.received.indexOf(message) === index);
        expect(report).toEqual({
          topic: sender.errors,
          qos: 1,
          retain: false,
          payload: {
            code: 'FORBIDDEN',
            message: expect.any(String),
            topic: expect.any(String),
            at: expect.any(String),
          },
        });
        expect(topic.startsWith(errorOf(report).topic)).toBe(true);
        if (topic.length < 200) expect(errorOf(report).topic).toBe(topic);
      }
      expect(client.client.connected).toBe(true);
      await client.end();
    });
  },
);

test('none of what was refused was delivered or stored', async () => {
  const marker = await fleet.client('SERVICE', 'service-2');
  await marker.client.publishAsync('drivers/marker/status', busy, { qos: 1 });
  await marker.client.publishAsync('drivers/marker/location', good, { qos: 1 });
  await operator.next(({ topic }) => topic === 'drivers/marker/status');
  await operator.next(({ topic }) => topic === 'drivers/marker/location');
  expect(new Set(operator.received.map(({ topic }) => topic.split('/')[1]))).toEqual(new Set(['marker']));
  for (const id of ['driver-1', 'driver-2', 'rider-1', 'guest-1'])
    expect(await fleet.history(id)).toEqual([]);
});

test('DRIVER may publish its own position, backlog and status; SERVICE those of any driver', async () => {
  for (const [sender, id] of [
    [{ ...driver, sub: 'own-1', errors: 'drivers/own-1/errors' }, 'own-1'],
    [service, 'any-1'],
  ] as const) {
    const client = await login(sender);
    await client.client.publishAsync(`drivers/${id}/status`, busy, { qos: 1 });
    await client.client.publishAsync(`drivers/${id}/location`, good, { qos: 1 });
    await client.client.publishAsync(
      `drivers/${id}/locations`,
      json([position({ recordedAt: Date.now() - 9000 })]),
      {
        qos: 1,
      },
    );
    expect(await operator.next(({ topic }) => topic === `drivers/${id}/status`)).toMatchObject({
      payload: { status: 'BUSY', driverId: id, receivedAt: expect.any(String) },
    });
    await operator.next(({ topic }) => topic === `drivers/${id}/location`);
    expect(await fleet.history(id)).toHaveLength(2);
    expect(client.received).toEqual([]);
  }
});

test.each([
  ['no JSON', 'BUSY'],
  ['an unknown status', json({ status: 'SLEEPING' })],
  ['ON_TRIP, which is the server to say', json({ status: 'ON_TRIP' })],
  ['lower case', json({ status: 'busy' })],
  ['no status', '{}'],
  ['a list', '[]'],
  ['nothing', ''],
])('a status that is %s is INVALID_PAYLOAD', async (_name, payload) => {
  const client = await login({ ...driver, sub: 'status-1', errors: 'drivers/status-1/errors' });
  await client.client.publishAsync('drivers/status-1/status', payload, { qos: 1 });
  expect(errorOf(await client.next(() => true))).toMatchObject({
    code: 'INVALID_PAYLOAD',
    topic: 'drivers/status-1/status',
  });
  await client.end();
});

test.each([TRIP, 'no-uuid'])(
  'a transition of a trip that does not exist (%s) is TRIP_NOT_FOUND',
  async (trip) => {
    const client = await login(driver);
    await client.client.publishAsync(`trips/${trip}/transition`, transition, { qos: 1 });
    expect(errorOf(await client.next(() => true))).toMatchObject({
      code: 'TRIP_NOT_FOUND',
      topic: `trips/${trip}/transition`,
    });
    await client.end();
  },
);

test.each([
  ['is no UTF-8', Buffer.from([0xc3, 0x28, 0xff])],
  ['holds U+0000', Buffer.from('location\0')],
])('a topic that %s ends the connection', async (_name, bytes) => {
  const raw = await loginTcp(fleet.platform.ports.mqtt, { token: await token('DRIVER', 'bytes-1') });
  raw.send(encode.publish(Buffer.concat([Buffer.from('drivers/bytes-1/'), bytes]), good, { qos: 1, id: 9 }));
  await raw.closed;
  expect(raw.received.map(({ type }) => type)).toEqual([TYPE.CONNACK]);
});
