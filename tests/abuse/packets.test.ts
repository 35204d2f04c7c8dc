import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { AbuseStage } from '../support/abuse-stage.ts';
import { json, position } from '../support/fleet.ts';
import {
  encode,
  fixedHeader,
  loginTcp,
  openTcp,
  packet,
  RawConnection,
  TYPE,
  text,
  uint16,
} from '../support/raw-mqtt.ts';
import { eventually } from '../support/redis.ts';

let stage: AbuseStage;
let bearer: string;

beforeAll(async () => {
  stage = await AbuseStage.open();
  bearer = await stage.token('RIDER', 'mallory');
});
/** A rider may publish nothing: whatever was sent, it is acknowledged at most. */
afterEach(async () => expect(await stage.delivered()).toEqual([]));
afterAll(() => stage?.close());

const ports = () => stage.fleet.platform.ports;
const login = (options: Parameters<typeof encode.connect>[0] = {}) =>
  loginTcp(ports().mqtt, { token: bearer, ...options });

const location = 'drivers/mallory/location';
const publish = (qos: number, id: number) => encode.publish(location, json(position()), { qos, id });

/** An answer: its type, and the packet that it is for. */
const answers = ({ received }: RawConnection) =>
  received
    .filter(({ type }) => type !== TYPE.CONNACK)
    .map(({ type, body }) => `${type}:${body.length < 2 ? '' : body.readUInt16BE(0)}`)
    .toSorted();

const pieces = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, at * size + size),
  );

/** A frame for each write. */
async function openWebSocket(): Promise<RawConnection> {
  const socket = new WebSocket(stage.fleet.platform.urls.ws, 'mqtt', { perMessageDeflate: false });
  socket.on('error', () => undefined);
  const stream = new Duplex({
    read: () => undefined,
    // What it can't send any more, since it was closed meanwhile, is no matter
    write: (chunk: Buffer, _encoding, done) => socket.send(chunk, () => done()),
    destroy: (_error, done) => {
      socket.terminate();
      done(null);
    },
  });
  socket.on('message', (data: Buffer) => stream.push(data));
  socket.on('close', () => stream.destroy());
  await once(socket, 'open');
  return new RawConnection(stream);
}

const ways: [name: string, open: () => Promise<RawConnection>, cut: (bytes: Buffer) => Buffer[]][] = [
  ['in one segment', async () => openTcp(ports().mqtt), (bytes) => [bytes]],
  ['in segments of a byte', async () => openTcp(ports().mqtt), (bytes) => pieces(bytes, 1)],
  ['in segments of seven bytes', async () => openTcp(ports().mqtt), (bytes) => pieces(bytes, 7)],
  ['in one frame', openWebSocket, (bytes) => [bytes]],
  ['in frames of a byte', openWebSocket, (bytes) => pieces(bytes, 1)],
  ['in frames of seven bytes', openWebSocket, (bytes) => pieces(bytes, 7)],
];

async function sendInPieces(connection: RawConnection, segments: readonly Buffer[]): Promise<void> {
  for (const segment of segments) {
    if (connection.stream.destroyed) return;
    connection.send(segment);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe.each(ways)('%s', (_name, open, cut) => {
  test('packets of all kinds are answered alike', async () => {
    const connection = await open();
    const packets = [
      encode.connect({ token: bearer }),
      encode.subscribe(1, [
        ['riders/mallory/trips', 1],
        ['riders/victim/trips', 1],
      ]),
      encode.unsubscribe(2, ['riders/mallory/trips', 'never/asked/for']),
      publish(0, 0),
      publish(1, 3),
      publish(2, 4),
      publish(2, 4),
      encode.acknowledge(TYPE.PUBREL, 4),
      encode.acknowledge(TYPE.PUBREL, 5),
      encode.acknowledge(TYPE.PUBACK, 6),
      encode.acknowledge(TYPE.PUBREC, 7),
      encode.acknowledge(TYPE.PUBCOMP, 8),
      // A length of two bytes where one would do
      Buffer.from([0xc0, 0x80, 0x00]),
    ];
    await sendInPieces(connection, cut(Buffer.concat(packets)));
    const wanted = ['9:1', '11:2', '4:3', '5:4', '5:4', '7:4', '7:5', '6:7', '13:'].toSorted();
    await eventually(
      () => answers(connection),
      (found) => found.length >= wanted.length,
    );
    expect(answers(connection)).toEqual(wanted);
    connection.end();
  });

  test.each<[string, () => Buffer]>([
    ['a PUBACK without its identifier', () => packet(0x40)],
    ['a PUBREC with half of it', () => packet(0x50, Buffer.from([1]))],
    ['a PUBREL with more than it', () => packet(0x62, Buffer.from([0, 1, 0]))],
    ['a PUBLISH that ends with its topic', () => packet(0x32, text(location))],
    ['an UNSUBSCRIBE without filters', () => packet(0xa2, uint16(1))],
    ['a topic that is longer than its packet', () => packet(0x30, uint16(40), Buffer.from('x'))],
    ['a filter that is longer than its packet', () => packet(0x82, uint16(1), uint16(40), Buffer.from('x'))],
    ['a remaining length of five bytes', () => Buffer.from([0xc0, 0x80, 0x80, 0x80, 0x80, 0x00])],
    ['a second CONNECT', () => encode.connect({ token: bearer })],
  ])('%s ends the connection alike', async (_case, bad) => {
    const connection = await open();
    connection.send(encode.connect({ token: bearer }));
    await connection.next(TYPE.CONNACK);
    await sendInPieces(connection, cut(Buffer.concat([bad(), publish(1, 9), encode.ping()])));
    await connection.closed;
    expect(answers(connection)).toEqual([]);
  });
});

/** By type (MQTT 3.1.1, table 2.2): all flags that it must not have. */
const wrongFlags = Array.from({ length: 16 }, (_, type) => {
  const flags = Array.from({ length: 16 }, (_flag, bits) => bits);
  const isRight = (bits: number) =>
    type === TYPE.PUBLISH ? (bits & 6) !== 6 : bits === ([6, 8, 10].includes(type) ? 2 : 0);
  // There is no type 0 and 15
  return { type, wrong: type === 0 || type === 15 ? flags : flags.filter((bits) => !isRight(bits)) };
});

test('every flag that is reserved ends the connection, in every type of packet', async () => {
  const body = Buffer.concat([text(location), uint16(1), Buffer.from('{}')]);
  const survivors: string[] = [];
  await Promise.all(
    wrongFlags.map(async ({ type, wrong }) => {
      for (const bits of wrong) {
        const connection = await login();
        connection.send(packet((type << 4) | bits, body), encode.ping());
        await Promise.race([connection.closed, connection.next(TYPE.PINGRESP).catch(() => undefined)]);
        if (!connection.stream.destroyed) survivors.push(`${type}/${bits}`);
        connection.end();
      }
    }),
  );
  expect(survivors).toEqual([]);
});

describe('ten thousand QoS 2 messages that are never released', () => {
  const messages = (count: number, first: number) =>
    Array.from({ length: count }, (_, index) => publish(2, first + index));
  const received = ({ received: packets }: RawConnection) =>
    packets.filter(({ type }) => type === TYPE.PUBREC).length;

  test('end the connection when it has a thousand on their way', async () => {
    const connection = await login();
    connection.send(...messages(10_000, 1));
    await connection.closed;
    expect(received(connection)).toBeLessThanOrEqual(1000);
  });

  test('are taken a thousand with each connection of a session that lasts, and the last of them is known still', async () => {
    const options = { clientId: 'phone', clean: false };
    for (let round = 0; round < 10; round++) {
      const connection = await login(options);
      connection.send(...messages(1000, 1 + round * 1000));
      await eventually(
        () => received(connection),
        (count) => count === 1000,
      );
      connection.end();
    }
    const back = await login(options);
    back.send(encode.acknowledge(TYPE.PUBREL, 10_000));
    expect((await back.next(TYPE.PUBCOMP)).body.readUInt16BE(0)).toBe(10_000);
    back.end();
  });
});

test('a flood of acknowledgements of nothing is borne', async () => {
  const connection = await login();
  for (const type of [TYPE.PUBACK, TYPE.PUBREC, TYPE.PUBREL, TYPE.PUBCOMP])
    connection.send(...Array.from({ length: 10_000 }, (_, id) => encode.acknowledge(type, id + 1)));
  connection.send(encode.ping());
  await connection.next(TYPE.PINGRESP);
  expect(answers(connection).filter((answer) => answer.startsWith('7:'))).toHaveLength(10_000);
  connection.end();
});

test('half a packet, and then silence, is not kept: a hundred clients end with their keep alive', async () => {
  const half = Buffer.concat([fixedHeader(0x30, 65_000), Buffer.alloc(60_000)]);
  const silent = await Promise.all(Array.from({ length: 100 }, () => login({ keepalive: 1 })));
  for (const connection of silent) connection.send(half);
  await Promise.all(silent.map(({ closed }) => closed));
});
