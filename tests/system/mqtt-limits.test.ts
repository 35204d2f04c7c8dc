import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { errorOf, type Fleet, isError, json, position, startFleet } from '../support/fleet.ts';
import type { TestClient } from '../support/mqtt-client.ts';
import { token } from '../support/platform.ts';
import { encode, loginTcp, openTcp, type RawConnection, TYPE } from '../support/raw-mqtt.ts';
import { openWebSocket } from '../support/raw-websocket.ts';

let fleet: Fleet;
let bystander: TestClient;
let bearer: string;

beforeAll(async () => {
  fleet = await startFleet({
    MQTT_MAX_PACKET_BYTES: '2048',
    MQTT_MAX_TOPIC_LENGTH: '128',
    MQTT_MAX_TOPIC_LEVELS: '4',
    MQTT_MAX_CLIENT_ID_LENGTH: '23',
    MQTT_MAX_SUBSCRIPTIONS: '3',
    MQTT_MAX_INFLIGHT_INCOMING: '3',
    MQTT_MAX_QUEUED_MESSAGES: '5',
    MQTT_CONNECT_TIMEOUT_MS: '2000',
    MQTT_MIN_KEEPALIVE_SECONDS: '2',
    MQTT_MAX_KEEPALIVE_SECONDS: '2',
    MQTT_WS_MAX_MESSAGE_BYTES: '4096',
    MQTT_WS_MAX_HEADER_BYTES: '2048',
  });
  bystander = await fleet.client('DRIVER', 'bystander');
  await bystander.client.subscribeAsync('drivers/bystander/location');
  bearer = await token('DRIVER', 'jane');
});
afterAll(() => fleet?.stop());

let sent = 0;
/** Whoever keeps to the limits notices nothing of those who do not. */
afterEach(async () => {
  const speed = ++sent;
  await bystander.client.publishAsync('drivers/bystander/location', json(position({ speed })), { qos: 1 });
  await bystander.next(({ payload }) => (payload as { speed?: number }).speed === speed);
});

const login = (options: Parameters<typeof encode.connect>[0] = {}) =>
  loginTcp(fleet.platform.ports.mqtt, { token: bearer, ...options });

/** It is there, and is answered. */
async function expectAlive(connection: RawConnection): Promise<void> {
  connection.send(encode.ping());
  await connection.next(TYPE.PINGRESP);
}

/** Resolves to the ms that it took. */
async function closing({ closed }: RawConnection): Promise<number> {
  const start = performance.now();
  await closed;
  return performance.now() - start;
}

test('a packet may be so large and no larger', async () => {
  const raw = await login();
  const topic = 'drivers/jane/location';
  const filler = (size: number) => Buffer.alloc(size - 3 - 2 - topic.length - 2, ' ');
  raw.send(encode.publish(topic, filler(2047), { qos: 1, id: 1 }));
  await raw.next(TYPE.PUBACK);
  raw.send(encode.publish(topic, filler(2049), { qos: 1, id: 2 }));
  await raw.closed;
});

test('a topic that is too long or too deep is refused like any that is not there, and the connection stays', async () => {
  const jane = await fleet.subscriber('DRIVER', 'jane', 'drivers/jane/errors', 1);
  for (const [topic, code] of [
    [`owntracks/jane/${'x'.repeat(113)}`, undefined],
    [`owntracks/jane/${'x'.repeat(114)}`, 'FORBIDDEN'],
    [`owntracks/jane/phone/event`, undefined],
    [`${'/'.repeat(100)}`, 'FORBIDDEN'],
  ] as const) {
    await jane.client.publishAsync(topic, json({ _type: 'status' }), { qos: 1 });
    if (code !== undefined)
      await jane.next((message) => isError(code)(message) && errorOf(message).topic === topic);
  }
  expect(jane.received.map((message) => errorOf(message).topic)).toEqual([
    `owntracks/jane/${'x'.repeat(114)}`,
    '/'.repeat(100),
  ]);
  const raw = await login();
  raw.send(
    encode.subscribe(1, [
      ['owntracks/jane/phone/#', 0],
      ['owntracks/jane/phone/event/#', 0],
      [`owntracks/jane/${'x'.repeat(114)}`, 0],
    ]),
  );
  expect([...(await raw.next(TYPE.SUBACK)).body.subarray(2)]).toEqual([0, 0x80, 0x80]);
  raw.end();
});

test('a client id may be so long and no longer', async () => {
  (await login({ clientId: 'x'.repeat(23) })).end();
  await expect(login({ clientId: 'x'.repeat(24) })).rejects.toThrow('CONNACK 2');
});

test('a client may hold so many filters and no more, and one more again when it gives one back', async () => {
  const raw = await login();
  const filters = ['location', 'status', 'trips', 'errors'].map((last) => `drivers/jane/${last}`);
  raw.send(
    encode.subscribe(
      1,
      filters.map((filter) => [filter, 0]),
    ),
  );
  expect([...(await raw.next(TYPE.SUBACK)).body.subarray(2)]).toEqual([0, 0, 0, 0x80]);
  raw.end();
});

test('a client may have so many QoS 2 messages on their way and no more', async () => {
  const raw = await login();
  const publish = (id: number) =>
    encode.publish('drivers/jane/location', json(position({ speed: id })), { qos: 2, id });
  for (const id of [1, 2, 3]) {
    raw.send(publish(id));
    await raw.next(TYPE.PUBREC);
  }
  raw.send(encode.acknowledge(TYPE.PUBREL, 1));
  await raw.next(TYPE.PUBCOMP);
  raw.send(publish(4));
  await raw.next(TYPE.PUBREC);
  raw.send(publish(5));
  await raw.closed;
});

test('a client that reads and never acknowledges is closed when its queue is full of that', async () => {
  const raw = await loginTcp(fleet.platform.ports.mqtt, {
    token: await token('OPERATOR', 'olga'),
    clientId: 'reader',
    clean: false,
  });
  raw.send(encode.subscribe(1, [['drivers/bystander/status', 1]]));
  await raw.next(TYPE.SUBACK);
  const statuses = setInterval(() => {
    const status = ++sent % 2 === 0 ? 'BUSY' : 'ONLINE';
    bystander.client.publish('drivers/bystander/status', json({ status }), { qos: 1 });
  }, 20);
  await raw.closed;
  clearInterval(statuses);
  expect(raw.received.filter(({ type }) => type === TYPE.PUBLISH).length).toBeGreaterThanOrEqual(5);
});

test('a keep alive below the least is watched with that; one above the most, or none, is no reason to be closed', async () => {
  const rider = { token: await token('RIDER', 'silent-1') };
  const quick = await login({ ...rider, keepalive: 1 });
  const silent = await Promise.all([0, 65_535].map((keepalive) => login({ ...rider, keepalive })));
  expect(await closing(quick)).toBeGreaterThan(2000);
  for (const connection of silent) {
    await expectAlive(connection);
    connection.end();
  }
});

test('a WebSocket client without a keep alive is pinged: it stays when it answers, and is closed when it does not', async () => {
  const open = async (sub: string, autoPong: boolean) => {
    const connection = await openWebSocket(fleet.platform.urls.ws, { autoPong });
    connection.raw.send(encode.connect({ token: await token('RIDER', sub), keepalive: 0 }));
    expect((await connection.raw.next(TYPE.CONNACK)).body[1]).toBe(0);
    return connection;
  };
  const [there, gone] = await Promise.all([open('there', true), open('gone', false)]);
  const pinged = once(there.socket, 'ping');
  await gone.raw.closed;
  await pinged;
  await expectAlive(there.raw);
  there.socket.terminate();
});

test('a flood of pings is answered, the last one at any rate', async () => {
  const { socket } = await openWebSocket(fleet.platform.urls.ws);
  const last = new Promise<void>((resolve) =>
    socket.on('pong', (data) => String(data) === '999' && resolve()),
  );
  for (let count = 0; count < 1000; count++) socket.ping(String(count));
  await last;
  socket.terminate();
});

test('a WebSocket handshake and its messages may be so large and no larger', async () => {
  const large = new WebSocket(fleet.platform.urls.ws, 'mqtt', { headers: { 'x-filler': 'x'.repeat(3000) } });
  const [error] = (await once(large, 'error')) as [Error];
  expect(error.message).toContain('431');
  const { socket } = await openWebSocket(fleet.platform.urls.ws);
  socket.send(Buffer.alloc(4097));
  expect((await once(socket, 'close'))[0]).toBe(1009);
});

test('whoever does not come to a CONNECT in time is closed, however far it came', async () => {
  const { mqtt, ws } = fleet.platform.ports;
  const connections = [openTcp(mqtt), openTcp(mqtt), openTcp(ws), openTcp(ws)];
  const [, half, , handshake] = connections as [RawConnection, RawConnection, RawConnection, RawConnection];
  half.send(encode.connect({ token: bearer }).subarray(0, 20));
  handshake.send(Buffer.from('GET /mqtt HTTP/1.1\r\nHost: x\r\nX-Slow: '));
  const dripping = setInterval(() => handshake.stream.write('x'), 200);
  const upgraded = await openWebSocket(fleet.platform.urls.ws);
  await Promise.all([...connections, upgraded.raw].map(({ closed }) => closed));
  clearInterval(dripping);
});
