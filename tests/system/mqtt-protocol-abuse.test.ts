import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Fleet, json, position, startFleet } from '../support/fleet.ts';
import type { TestClient } from '../support/mqtt-client.ts';
import { token } from '../support/platform.ts';
import {
  encode,
  fixedHeader,
  loginTcp,
  openTcp,
  packet,
  type RawConnection,
  TYPE,
  text,
} from '../support/raw-mqtt.ts';

let fleet: Fleet;
let bystander: TestClient;
let operator: TestClient;
let bearer: string;
let raw: RawConnection;

beforeAll(async () => {
  fleet = await startFleet();
  bystander = await fleet.client('DRIVER', 'bystander');
  operator = await fleet.subscriber('OPERATOR', 'operator-1', 'drivers/+/location');
  bearer = await token('DRIVER', 'abuser');
});
afterAll(() => fleet?.stop());

beforeEach(async () => {
  raw = await loginTcp(fleet.platform.ports.mqtt, { token: bearer });
});

let sent = 0;
/** Whatever was done: the process lives, and who was connected before still is, and is served. */
afterEach(async () => {
  raw.end();
  sent++;
  await bystander.client.publishAsync('drivers/bystander/location', json(position({ speed: sent })), {
    qos: 1,
  });
  await operator.next(({ payload }) => (payload as { speed?: number }).speed === sent);
  expect([bystander.client.connected, operator.client.connected]).toEqual([true, true]);
  expect(fleet.platform.process.exitCode).toBeNull();
});

const location = 'drivers/abuser/location';

describe('a connection is closed', () => {
  test.each([
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['TLS', Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])],
    ['zeros', Buffer.alloc(100)],
    ['a PUBLISH', encode.publish(location, json(position()), { qos: 1 })],
    ['a SUBSCRIBE', encode.subscribe(1, [['drivers/abuser/location', 0]])],
    ['a PINGREQ', encode.ping()],
    [
      'a CONNECT of another protocol',
      Buffer.concat([fixedHeader(0x10, 12), Buffer.from('\0\x04HTTP\x04\x02\0\0\0\0')]),
    ],
    ['256 MB announced', Buffer.concat([fixedHeader(0x10, 268_435_455), Buffer.alloc(1000)])],
    ['a remaining length of 5 bytes', Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0x7f])],
  ])('that begins with %s', async (_name, bytes) => {
    const stranger = openTcp(fleet.platform.ports.mqtt);
    stranger.send(bytes);
    await stranger.closed;
    expect(stranger.received).toEqual([]);
  });

  test.each([
    ['a second CONNECT', () => encode.connect({ token: bearer })],
    ['a CONNACK', () => Buffer.from([0x20, 2, 0, 0])],
    ['a packet of the reserved type 0', () => Buffer.from([0, 0])],
    ['a packet of the reserved type 15', () => Buffer.from([0xf0, 0])],
    [
      'reserved flag bits in a SUBSCRIBE',
      () => Buffer.concat([Buffer.from([0x80]), encode.subscribe(1, [['a', 0]]).subarray(1)]),
    ],
    ['QoS 3', () => encode.publish(location, json(position()), { qos: 3 })],
    ['packet id 0', () => encode.publish(location, json(position()), { qos: 1, id: 0 })],
    ['an empty topic', () => encode.publish('', json(position()), { qos: 1 })],
    ['a wildcard in a topic', () => encode.publish('drivers/+/location', json(position()), { qos: 1 })],
    ['a topic longer than its packet', () => Buffer.from([0x30, 4, 0xff, 0xff, 1, 2])],
    ['a SUBSCRIBE without filters', () => Buffer.from([0x82, 2, 0, 1])],
    ['a SUBSCRIBE with packet id 0', () => encode.subscribe(0, [[location, 0]])],
    ['an UNSUBSCRIBE without filters', () => Buffer.from([0xa2, 2, 0, 1])],
    ['an UNSUBSCRIBE with packet id 0', () => encode.unsubscribe(0, [location])],
    ['a PUBACK without packet id', () => Buffer.from([0x40, 0])],
    ['a PUBREC with half a packet id', () => Buffer.from([0x50, 1, 7])],
    ['a PUBREL with more than a packet id', () => Buffer.from([0x62, 3, 0, 7, 7])],
    ['a PUBCOMP with packet id 0', () => encode.acknowledge(TYPE.PUBCOMP, 0)],
    ['a PUBLISH at QoS 1 that ends with its topic', () => packet(0x32, text(location))],
    ['a PUBLISH at QoS 2 with half a packet id', () => packet(0x34, text(location), Buffer.from([7]))],
    ['a PINGREQ with a body', () => Buffer.from([0xc0, 1, 0])],
    ['a SUBSCRIBE at QoS 3', () => encode.subscribe(1, [[location, 3]])],
    ['a remaining length of 5 bytes', () => Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x7f])],
    ['256 MB announced', () => fixedHeader(0x30, 268_435_455)],
    ['a packet of 70 kB', () => encode.publish(location, `{"x":"${'x'.repeat(70_000)}"}`, { qos: 1 })],
    [
      'a packet of 64 KiB and a byte',
      () => encode.publish(location, Buffer.alloc(65_537 - 4 - location.length - 2), { qos: 1 }),
    ],
  ])('after %s', async (_name, bytes) => {
    // Nothing of what follows is taken for a part of it
    raw.send(bytes(), encode.publish(location, json(position()), { qos: 1, id: 79 }));
    await raw.closed;
    expect(raw.received.map(({ type }) => type)).not.toContain(TYPE.PUBACK);
  });
});

describe('a connection stays open', () => {
  test('with a packet of just 64 KiB', async () => {
    const wrapping = 4 + 2 + location.length + 2;
    const payload = json(position({ filler: '' }));
    const filled = json(position({ filler: 'x'.repeat(65_536 - wrapping - payload.length) }));
    const packet = encode.publish(location, filled, { qos: 1, id: 77 });
    expect(packet).toHaveLength(65_536);
    raw.send(packet);
    expect((await raw.next(TYPE.PUBACK)).body.readUInt16BE(0)).toBe(77);
  });

  test('with a packet in many pieces', async () => {
    for (const byte of encode.publish(location, json(position()), { qos: 1, id: 78 })) {
      raw.send(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await raw.next(TYPE.PUBACK)).body.readUInt16BE(0)).toBe(78);
  });

  test('with acknowledgements of what was never sent', async () => {
    for (const type of [TYPE.PUBACK, TYPE.PUBREC, TYPE.PUBCOMP]) raw.send(encode.acknowledge(type, 1234));
    raw.send(encode.acknowledge(TYPE.PUBREL, 1234));
    expect((await raw.next(TYPE.PUBCOMP)).body.readUInt16BE(0)).toBe(1234);
    raw.send(
      ...Array.from({ length: 5000 }, (_, id) => encode.acknowledge(TYPE.PUBACK, id + 1)),
      encode.ping(),
    );
    await raw.next(TYPE.PINGRESP);
  });

  test('with an UNSUBSCRIBE from what was never asked for', async () => {
    const filter = Buffer.from('drivers/+/location');
    const body = Buffer.concat([Buffer.from([0, 9, 0, filter.length]), filter]);
    raw.send(Buffer.concat([fixedHeader(0xa2, body.length), body]));
    expect((await raw.next()).body.readUInt16BE(0)).toBe(9);
  });

  test('with a thousand packets in one segment', async () => {
    raw.send(
      ...Array.from({ length: 1000 }, (_, index) =>
        encode.publish(location, json(position({ speed: index })), { qos: 1, id: index + 1 }),
      ),
    );
    for (let id = 1; id <= 1000; id++) expect((await raw.next(TYPE.PUBACK)).body.readUInt16BE(0)).toBe(id);
  });

  test('with hundreds of QoS 2 messages on their way at a time', async () => {
    const ids = Array.from({ length: 500 }, (_, index) => index + 1);
    raw.send(...ids.map((id) => encode.publish(location, json(position({ speed: id })), { qos: 2, id })));
    for (const id of ids) expect((await raw.next(TYPE.PUBREC)).body.readUInt16BE(0)).toBe(id);
    raw.send(...ids.map((id) => encode.acknowledge(TYPE.PUBREL, id)));
    for (const id of ids) expect((await raw.next(TYPE.PUBCOMP)).body.readUInt16BE(0)).toBe(id);
  });
});

test('what follows a CONNECT in the same segment is served in its order', async () => {
  const eager = openTcp(fleet.platform.ports.mqtt);
  eager.send(
    encode.connect({ token: bearer }),
    encode.subscribe(1, [['drivers/abuser/errors', 0]]),
    encode.publish('nowhere', '', { qos: 1, id: 2 }),
    encode.ping(),
  );
  const types: number[] = [];
  while (types.length < 5) types.push((await eager.next()).type);
  expect(types[0]).toBe(TYPE.CONNACK);
  expect([...types].sort((a, b) => a - b)).toEqual(
    [TYPE.CONNACK, TYPE.PUBLISH, TYPE.PUBACK, TYPE.SUBACK, TYPE.PINGRESP].sort((a, b) => a - b),
  );
  eager.end();
});

test('so is a backlog of hundreds, and one without end is not taken', async () => {
  const backlog = (count: number) =>
    Array.from({ length: count }, (_, index) =>
      encode.publish(location, json(position({ speed: index })), { qos: 1, id: index + 1 }),
    );
  const eager = openTcp(fleet.platform.ports.mqtt);
  eager.send(encode.connect({ token: bearer }), ...backlog(300));
  expect((await eager.next()).type).toBe(TYPE.CONNACK);
  for (let id = 1; id <= 300; id++) expect((await eager.next(TYPE.PUBACK)).body.readUInt16BE(0)).toBe(id);
  eager.end();
  const endless = openTcp(fleet.platform.ports.mqtt);
  endless.send(encode.connect({ token: bearer }), ...Array.from({ length: 20_000 }, encode.ping));
  await endless.closed;
  expect(endless.received).toEqual([]);
});

test('a silent client is closed after one and a half keepalives, one that pings is not', async () => {
  const [silent, alive] = await Promise.all(
    [1, 1].map((keepalive) => loginTcp(fleet.platform.ports.mqtt, { token: bearer, keepalive })),
  );
  const pinging = setInterval(() => alive?.send(encode.ping()), 200);
  await silent?.closed;
  alive?.send(encode.ping());
  await alive?.next(TYPE.PINGRESP);
  clearInterval(pinging);
  alive?.end();
});

test('a CONNECT that does not arrive is not waited for for ever', async () => {
  const half = openTcp(fleet.platform.ports.mqtt);
  half.send(encode.connect({ token: bearer }).subarray(0, 20));
  const slow = openTcp(fleet.platform.ports.mqtt);
  const bytes = [...encode.connect({ token: bearer })];
  const dripping = setInterval(() => slow.send(Buffer.from([bytes.shift() ?? 0])), 500);
  const silent = openTcp(fleet.platform.ports.mqtt);
  await Promise.all([half.closed, slow.closed, silent.closed]);
  clearInterval(dripping);
  expect([half, slow, silent].flatMap(({ received }) => received)).toEqual([]);
});

test('connections that never say anything do not keep others out', async () => {
  const silent = Array.from({ length: 500 }, () => openTcp(fleet.platform.ports.mqtt));
  await Promise.all(silent.map(({ stream }) => new Promise((resolve) => stream.once('connect', resolve))));
  const late = await loginTcp(fleet.platform.ports.mqtt, { token: await token('RIDER', 'late-1') });
  late.send(encode.ping());
  await late.next(TYPE.PINGRESP);
  for (const connection of [...silent, late]) connection.end();
});
