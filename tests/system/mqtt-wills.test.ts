import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { errorOf, type Fleet, json, position, startFleet } from '../support/fleet.ts';
import type { TestClient } from '../support/mqtt-client.ts';
import { request, token } from '../support/platform.ts';
import { encode, loginTcp, type RawConnection, TYPE } from '../support/raw-mqtt.ts';

let fleet: Fleet;
let operator: TestClient;

beforeAll(async () => {
  // So that nobody becomes OFFLINE but by what it said
  fleet = await startFleet({ OFFLINE_GRACE_MS: '600000' });
  operator = await fleet.subscriber('OPERATOR', 'operator-1', ['drivers/+/status', 'drivers/+/location'], 1);
});
afterAll(() => fleet?.stop());

const statusOf = (driver: string) => `drivers/${driver}/status`;
const OFFLINE = json({ status: 'OFFLINE' });

/** What an operator was told of a driver, in order. */
const told = (driver: string) =>
  operator.received
    .filter(({ topic }) => topic === statusOf(driver))
    .map(({ payload }) => (payload as { status: string }).status);

const login = async (sub: string, will: { topic: string; payload: string }, more: object = {}) =>
  loginTcp(fleet.platform.ports.mqtt, { token: await token('DRIVER', sub), will, ...more });

async function say(raw: RawConnection, sub: string, status: string): Promise<void> {
  raw.send(encode.publish(statusOf(sub), json({ status }), { qos: 1, id: 1 }));
  await raw.next(TYPE.PUBACK);
}

/** A status of another connection, after which all that came before has been told. */
async function mark(sub: string): Promise<void> {
  const marker = await fleet.client('DRIVER', sub);
  await marker.client.publishAsync(statusOf(sub), json({ status: 'BUSY' }), { qos: 1 });
  await operator.next(() => told(sub).at(-1) === 'BUSY');
  await marker.end();
}

describe('a driver with the will to be OFFLINE', () => {
  test.each<[string, (raw: RawConnection) => void]>([
    ['whose connection breaks', (raw) => raw.end()],
    ['that closes without a DISCONNECT', (raw) => raw.stream.end()],
    ['that breaks the protocol', (raw) => raw.send(Buffer.from([0xff, 0xff]))],
    [
      'that sends what is too large',
      (raw) => raw.send(encode.publish('drivers/x/location', 'x'.repeat(70_000))),
    ],
  ])('%s is OFFLINE for those who follow it', async (name, lose) => {
    const sub = `lost-${name.replace(/\W/g, '')}`;
    const raw = await login(sub, { topic: statusOf(sub), payload: OFFLINE });
    await say(raw, sub, 'ONLINE');
    lose(raw);
    const message = await operator
      .next(() => told(sub).includes('OFFLINE') && told(sub).length === 2)
      .then(() => operator.received.filter(({ topic }) => topic === statusOf(sub)).at(-1));
    expect(message).toEqual({
      topic: statusOf(sub),
      qos: 1,
      retain: false,
      payload: { status: 'OFFLINE', driverId: sub, receivedAt: expect.any(String) },
    });
    const later = await fleet.subscriber('OPERATOR', 'operator-2', statusOf(sub));
    expect(await later.next(() => true)).toMatchObject({ retain: true, payload: { status: 'OFFLINE' } });
    await later.end();
  });

  test('that falls silent is OFFLINE, too', async () => {
    const raw = await login('silent-1', { topic: statusOf('silent-1'), payload: OFFLINE }, { keepalive: 1 });
    await say(raw, 'silent-1', 'ONLINE');
    await raw.closed;
    await operator.next(() => told('silent-1').at(-1) === 'OFFLINE');
    expect(told('silent-1')).toEqual(['ONLINE', 'OFFLINE']);
  });

  test('over WebSocket that is cut off is OFFLINE, too', async () => {
    const socket = new WebSocket(fleet.platform.urls.ws, 'mqtt');
    await new Promise((resolve) => socket.once('open', resolve));
    const will = { topic: statusOf('web-1'), payload: OFFLINE };
    socket.send(encode.connect({ token: await token('DRIVER', 'web-1'), will }));
    socket.send(encode.publish(statusOf('web-1'), json({ status: 'ONLINE' })));
    await operator.next(() => told('web-1').length > 0);
    socket.terminate();
    await operator.next(() => told('web-1').at(-1) === 'OFFLINE');
    expect(told('web-1')).toEqual(['ONLINE', 'OFFLINE']);
  });

  test('that says goodbye keeps the status that it said last', async () => {
    const raw = await login('polite-1', { topic: statusOf('polite-1'), payload: OFFLINE });
    await say(raw, 'polite-1', 'ONLINE');
    raw.send(encode.disconnect());
    await raw.closed;
    await mark('polite-1');
    expect(told('polite-1')).toEqual(['ONLINE', 'BUSY']);
  });

  test('that comes back with the same client id before the old connection is gone is not OFFLINE', async () => {
    const more = { clientId: 'phone' };
    const will = { topic: statusOf('taken-1'), payload: OFFLINE };
    const before = await login('taken-1', will, more);
    await say(before, 'taken-1', 'ONLINE');
    const after = await login('taken-1', will, more);
    await before.closed;
    await say(after, 'taken-1', 'ONLINE');
    await mark('taken-1');
    expect(told('taken-1')).not.toContain('OFFLINE');
    after.send(encode.disconnect());
    await after.closed;
  });
});

describe('a will', () => {
  test.each([
    ['of another driver', statusOf('victim-1'), OFFLINE],
    ['that is a position of another driver', 'drivers/victim-1/location', json(position())],
    ['on a topic of the server', 'drivers/victim-1/errors', '{"code":"FORGED"}'],
    ['on $SYS', '$SYS/broker/x', 'x'],
    ['with many levels', 'x/'.repeat(200), 'x'],
    ['that is no status', statusOf('will-1'), json({ status: 'GONE' })],
    ['that is empty', statusOf('will-1'), ''],
  ])('%s is not sent; who left it is told', async (name, topic, payload) => {
    const errors = await fleet.subscriber('DRIVER', 'will-1', 'drivers/will-1/errors');
    const victim = await fleet.subscriber('DRIVER', 'victim-1', 'drivers/victim-1/#');
    const raw = await login('will-1', { topic, payload });
    raw.end();
    const report = errorOf(await errors.next(() => true));
    expect({ name, ...report }).toMatchObject({
      name,
      code: topic === statusOf('will-1') ? 'INVALID_PAYLOAD' : 'FORBIDDEN',
      topic: topic.slice(0, 256),
    });
    await victim.client.publishAsync('drivers/victim-1/marker', '', { qos: 1 });
    const first = await victim.next(({ retain }) => !retain);
    expect(errorOf(first).topic).toBe('drivers/victim-1/marker');
    expect(told('victim-1')).toEqual([]);
    await Promise.all([errors.end(), victim.end()]);
  });

  test('may be a last position', async () => {
    const raw = await login('parting-1', {
      topic: 'drivers/parting-1/location',
      payload: json(position({ speed: 9 })),
    });
    raw.end();
    const message = await operator.next(({ topic }) => topic === 'drivers/parting-1/location');
    expect(message).toMatchObject({ payload: { speed: 9 } });
    // It is delivered when it is admitted, and in the history once it is committed
    const marker = await fleet.client('DRIVER', 'parting-1');
    await marker.client.publishAsync('drivers/parting-1/location', json(position({ speed: 1 })), { qos: 1 });
    expect(await fleet.history('parting-1')).toMatchObject([{ speed: 9 }, { speed: 1 }]);
  });

  test('of a login that was refused is not sent', async () => {
    const will = { topic: statusOf('nobody-1'), payload: OFFLINE };
    await expect(loginTcp(fleet.platform.ports.mqtt, { token: 'bad', will })).rejects.toThrow('CONNACK 4');
    await mark('nobody-1');
    expect(told('nobody-1')).toEqual(['BUSY']);
  });
});

describe('a session that ends because its token is revoked', () => {
  const revoke = async (sub: string) => {
    const { status } = await request(
      fleet.platform,
      await token('SERVICE', 'security'),
      'POST',
      '/v1/revocations',
      { sub, until: Date.now() + 60_000 },
    );
    expect(status).toBe(201);
  };

  test('leaves the will to be OFFLINE: that is true now', async () => {
    const raw = await login('dismissed-1', { topic: statusOf('dismissed-1'), payload: OFFLINE });
    await say(raw, 'dismissed-1', 'ONLINE');
    await revoke('dismissed-1');
    await raw.closed;
    await operator.next(() => told('dismissed-1').at(-1) === 'OFFLINE');
    expect(told('dismissed-1')).toEqual(['ONLINE', 'OFFLINE']);
  });

  test.each<[string, 'DRIVER' | 'SERVICE', string, object]>([
    ['to be ONLINE', 'DRIVER', 'status', { status: 'ONLINE' }],
    ['to be somewhere', 'DRIVER', 'location', position()],
    ['that another driver is OFFLINE', 'SERVICE', 'status', { status: 'OFFLINE' }],
  ])('leaves no will %s: nothing is done with its token any more', async (name, role, topic, will) => {
    const sub = `dismissed-${name.replace(/\W/g, '')}`;
    const raw = await loginTcp(fleet.platform.ports.mqtt, {
      token: await token(role, sub),
      will: { topic: `drivers/${role === 'SERVICE' ? 'victim-2' : sub}/${topic}`, payload: json(will) },
    });
    await revoke(sub);
    await raw.closed;
    await mark(`after-${sub}`);
    const drivers = new Set(operator.received.map(({ topic: at }) => at.split('/')[1]));
    expect([drivers.has(sub), drivers.has('victim-2')]).toEqual([false, false]);
  });
});
