import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type ClientOptions, type PerMessageDeflateOptions, WebSocket } from 'ws';
import { errorOf, type Fleet, json, position, startFleet } from '../support/fleet.ts';
import type { TestClient } from '../support/mqtt-client.ts';
import { token } from '../support/platform.ts';
import { decodePublish, encode, TYPE } from '../support/raw-mqtt.ts';
import { openWebSocket } from '../support/raw-websocket.ts';

let fleet: Fleet;
let operator: TestClient;
const location = 'drivers/web-1/location';

beforeAll(async () => {
  fleet = await startFleet({ MQTT_WS_COMPRESSION: 'on' });
  operator = await fleet.subscriber('OPERATOR', 'operator-1', ['drivers/+/location', 'drivers/+/status'], 1);
});
afterAll(() => fleet?.stop());

const open = (options: ClientOptions = {}) => openWebSocket(fleet.platform.urls.ws, options);

async function login(sub: string, options: ClientOptions = {}) {
  const connection = await open(options);
  connection.raw.send(encode.connect({ token: await token('DRIVER', sub) }));
  expect((await connection.raw.next(TYPE.CONNACK)).body[1]).toBe(0);
  return connection;
}

describe('the handshake', () => {
  test('chooses the subprotocol mqtt from those that are offered', async () => {
    const socket = new WebSocket(fleet.platform.urls.ws, ['mqttv3.1', 'mqtt']);
    await once(socket, 'open');
    expect(socket.protocol).toBe('mqtt');
    socket.terminate();
  });

  test.each([
    ['without a subprotocol', '/mqtt', [], 400],
    ['with another subprotocol', '/mqtt', ['mqttv3.1'], 400],
    ['at another path', '/', ['mqtt'], 404],
    ['below the path', '/mqtt/x', ['mqtt'], 404],
    ['at a path that is like it', '/MQTT', ['mqtt'], 404],
  ])('%s is refused', async (_name, path, protocols, status) => {
    const socket = new WebSocket(`ws://127.0.0.1:${fleet.platform.ports.ws}${path}`, protocols);
    socket.on('error', () => undefined);
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
    expect(response.statusCode).toBe(status);
    socket.terminate();
  });

  test('that is none, but plain HTTP, is told what to do', async () => {
    const response = await fetch(`http://127.0.0.1:${fleet.platform.ports.ws}/mqtt`);
    expect(response.status).toBe(426);
    expect(await response.text()).toContain('/mqtt');
  });

  test('may have a query behind the path', async () => {
    const socket = new WebSocket(`${fleet.platform.urls.ws}?from=page`, 'mqtt');
    await once(socket, 'open');
    socket.terminate();
  });
});

describe('frames', () => {
  test('may hold a packet in pieces, down to single bytes', async () => {
    const { socket, raw } = await open();
    for (const byte of encode.connect({ token: await token('DRIVER', 'web-1') }))
      socket.send(Buffer.from([byte]));
    expect((await raw.next(TYPE.CONNACK)).body[1]).toBe(0);
    for (const byte of encode.publish(location, json(position()), { qos: 1, id: 3 }))
      socket.send(Buffer.from([byte]));
    expect((await raw.next(TYPE.PUBACK)).body.readUInt16BE(0)).toBe(3);
    socket.terminate();
  });

  test('may hold many packets, also more than the greatest packet has bytes', async () => {
    const { socket, raw } = await login('web-2');
    const backlog = json(
      Array.from({ length: 500 }, (_, speed) => position({ speed, recordedAt: Date.now() - speed * 1000 })),
    );
    const many = [
      ...Array.from({ length: 50 }, (_, id) =>
        encode.publish('drivers/web-2/location', json(position()), { qos: 1, id: id + 1 }),
      ),
      ...[51, 52, 53, 54].map((id) => encode.publish('drivers/web-2/locations', backlog, { qos: 1, id })),
    ];
    socket.send(Buffer.concat(many));
    for (let id = 1; id <= many.length; id++)
      expect((await raw.next(TYPE.PUBACK)).body.readUInt16BE(0)).toBe(id);
    socket.terminate();
  });

  test('may be fragments of a message', async () => {
    const { socket, raw } = await login('web-1');
    const packet = encode.publish(location, json(position()), { qos: 1, id: 4 });
    socket.send(packet.subarray(0, 5), { fin: false });
    socket.send(packet.subarray(5, 9), { fin: false });
    socket.send(packet.subarray(9), { fin: true });
    expect((await raw.next(TYPE.PUBACK)).body.readUInt16BE(0)).toBe(4);
    socket.terminate();
  });

  test('may be compressed where the server lets them be', async () => {
    const { socket, raw } = await login('web-1', { perMessageDeflate: { threshold: 0 } });
    expect(socket.extensions).toContain('permessage-deflate');
    socket.send(encode.publish(location, json(position({ filler: 'x'.repeat(5000) })), { qos: 1, id: 5 }));
    expect((await raw.next(TYPE.PUBACK)).body.readUInt16BE(0)).toBe(5);
    socket.terminate();
  });

  test('of the server are compressed against those before them, small ones left as they are', async () => {
    const { socket, raw, frames } = await login('web-6', { perMessageDeflate: true });
    raw.send(encode.subscribe(1, [['drivers/web-6/location', 0]]));
    await raw.next(TYPE.SUBACK);
    const wire = () => (socket as unknown as { _socket: Socket })._socket.bytesRead;
    const [framesBefore, wireBefore] = [frames.length, wire()];
    const sent = Array.from({ length: 20 }, (_, second) =>
      position({ latitude: 48 + second / 1000, bearing: second }),
    );
    for (const fix of sent) {
      raw.send(encode.publish('drivers/web-6/location', json(fix)));
      expect(decodePublish(await raw.next(TYPE.PUBLISH)).payload).toMatchObject(fix);
    }
    const bytes = frames.slice(framesBefore).reduce((sum, length) => sum + length, 0);
    expect(wire() - wireBefore).toBeLessThan(bytes / 2);
    const before = wire();
    raw.send(encode.ping());
    await raw.next(TYPE.PINGRESP);
    // The two bytes of the packet, and two before them
    expect(wire() - before).toBe(4);
    socket.terminate();
  });

  test.each<[string, PerMessageDeflateOptions, RegExp]>([
    ['as Chromium does', {}, /(?=.*client_max_window_bits=10).*server_max_window_bits=11/],
    // ws then says nothing of it
    [
      'as Firefox does',
      { clientMaxWindowBits: false as unknown as number },
      /^(?!.*client_max_window_bits).*server_max_window_bits=11/,
    ],
    ['with a smaller window for what it sends', { clientMaxWindowBits: 9 }, /client_max_window_bits=9/],
    ['with a greater window for what it receives', { serverMaxWindowBits: 12 }, /server_max_window_bits=11/],
    ['with a window for what it receives that is too small for us', { serverMaxWindowBits: 9 }, /^$/],
  ])('are offered to be compressed %s', async (_name, offer, agreed) => {
    const answered = new Promise<string>((resolve) => {
      const socket = new WebSocket(fleet.platform.urls.ws, 'mqtt', { perMessageDeflate: offer });
      socket.once('upgrade', ({ headers }) => {
        resolve(headers['sec-websocket-extensions'] ?? '');
        socket.once('open', () => socket.terminate());
      });
    });
    expect(await answered).toMatch(agreed);
    const { socket, raw } = await login('web-7', { perMessageDeflate: { threshold: 0, ...offer } });
    socket.send(
      encode.publish('drivers/web-7/location', json(position({ filler: 'x'.repeat(5000) })), {
        qos: 1,
        id: 5,
      }),
    );
    expect((await raw.next(TYPE.PUBACK)).body.readUInt16BE(0)).toBe(5);
    socket.terminate();
  });

  test('of the server hold a whole packet each', async () => {
    const { socket, raw, frames } = await login('web-3');
    raw.send(encode.subscribe(1, [['drivers/web-3/location', 0]]));
    await raw.next(TYPE.SUBACK);
    const before = frames.length;
    raw.send(encode.publish('drivers/web-3/location', json(position())));
    const message = await raw.next(TYPE.PUBLISH);
    expect(decodePublish(message).payload).toMatchObject(position());
    // Other messages may have been put into the same frame, but none in two
    expect(frames).toHaveLength(before + 1);
    socket.terminate();
  });
});

describe('a connection is closed', () => {
  test.each<[string, (socket: WebSocket) => void]>([
    ['a text frame', (socket) => socket.send('hello')],
    ['a text frame with a packet in it', (socket) => socket.send(encode.ping().toString())],
    ['a frame of 100 MB', (socket) => socket.send(Buffer.alloc(100_000_000))],
    [
      'a compressed frame that unpacks to 100 MB',
      (socket) => socket.send(Buffer.alloc(100_000_000), { compress: true }),
    ],
    [
      'a compressed frame that unpacks to a byte more than a message may have',
      (socket) => socket.send(Buffer.alloc(1_048_577), { compress: true }),
    ],
    ['a packet of 70 kB', (socket) => socket.send(encode.publish(location, 'x'.repeat(70_000)))],
    [
      'a packet of 70 kB in small frames',
      (socket) => {
        const packet = encode.publish(location, 'x'.repeat(70_000));
        for (let at = 0; at < packet.length; at += 1000) socket.send(packet.subarray(at, at + 1000));
      },
    ],
    ['a second CONNECT', (socket) => socket.send(encode.connect({ token: 'x' }))],
    ['bytes that are no packet', (socket) => socket.send(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]))],
  ])('after %s, and no other', async (_name, abuse) => {
    const bystander = await login('bystander');
    const { socket } = await login('web-4', { perMessageDeflate: { threshold: 0 } });
    const closed = once(socket, 'close');
    socket.on('error', () => undefined);
    abuse(socket);
    await closed;
    bystander.raw.send(encode.ping());
    await bystander.raw.next(TYPE.PINGRESP);
    bystander.socket.terminate();
  });
});

test('pings of WebSocket are answered; a flood of them is nobody else to suffer from', async () => {
  const { socket, raw } = await login('web-5');
  for (let index = 0; index < 50; index++) {
    const answer = once(socket, 'pong');
    socket.ping(String(index));
    expect(String((await answer)[0])).toBe(String(index));
  }
  socket.on('error', () => undefined);
  for (let index = 0; index < 20_000; index++) socket.ping();
  const bystander = await login('bystander');
  bystander.raw.send(encode.ping());
  await bystander.raw.next(TYPE.PINGRESP);
  bystander.socket.terminate();
  socket.terminate();
  await raw.closed;
});

test('a client that says all it has to say and leaves at once is heard to the end, and its will is not sent', async () => {
  const count = 20;
  const statuses = (id: string) =>
    operator.received
      .filter(({ topic }) => topic === `drivers/${id}/status`)
      .map(({ payload }) => (payload as { status: string }).status);
  for (let round = 0; round < 10; round++) {
    const id = `leaver-${round}`;
    const { socket, raw } = await open();
    const will = { topic: `drivers/${id}/status`, payload: json({ status: 'OFFLINE' }) };
    raw.send(encode.connect({ token: await token('DRIVER', id), will }));
    await raw.next(TYPE.CONNACK);
    for (let speed = 1; speed <= count; speed++) {
      const answered = { qos: speed % 2, id: speed };
      socket.send(encode.publish(`drivers/${id}/location`, json(position({ speed })), answered));
      // Now and then the server has begun with what there is when the rest comes
      if (speed % 7 === round % 7) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    socket.send(encode.publish(`drivers/${id}/status`, json({ status: 'BUSY' })));
    socket.send(encode.disconnect());
    socket.close();
    await once(socket, 'close');
    await operator.next(() => statuses(id).includes('BUSY'));
    const marker = await fleet.client('DRIVER', id);
    await marker.client.publishAsync(`drivers/${id}/status`, json({ status: 'ONLINE' }), { qos: 1 });
    await operator.next(() => statuses(id).at(-1) === 'ONLINE');
    expect(statuses(id)).not.toContain('OFFLINE');
    expect(await fleet.history(id)).toHaveLength(count);
    await marker.end();
  }
});

test('errors reach a client over WebSocket', async () => {
  const driver = await fleet.client('DRIVER', 'web-6', { url: fleet.platform.urls.ws });
  await driver.client.subscribeAsync('drivers/web-6/errors', { qos: 1 });
  await driver.client.publishAsync('drivers/web-6/location', '{}', { qos: 1 });
  expect(errorOf(await driver.next(() => true)).code).toBe('INVALID_PAYLOAD');
});
