import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { AbuseStage } from '../support/abuse-stage.ts';
import { json, position } from '../support/fleet.ts';
import { encode } from '../support/raw-mqtt.ts';
import { parseAnswer } from '../support/rest.ts';
import { frame, handshake, OPCODE, RawWebSocket } from '../support/websocket-frames.ts';

let stage: AbuseStage;
let bearer: string;

beforeAll(async () => {
  stage = await AbuseStage.open();
  bearer = await stage.token('DRIVER', 'mallory');
});
afterEach(async () => expect(await stage.delivered()).toEqual([]));
afterAll(() => stage?.close());

const open = () => RawWebSocket.open(stage.fleet.platform.ports.ws);
const connect = () => encode.connect({ token: bearer });
/** To a topic that is somebody else's: acknowledged, and no more. */
const publish = () => encode.publish('drivers/victim/location', json(position()), { qos: 1, id: 7 });
const isAcknowledged = ({ bytes }: RawWebSocket) => bytes.includes(Buffer.from([0x40, 2, 0, 7]));
const close = () => frame(Buffer.from([3, 232]), { opcode: OPCODE.CLOSE });
const continued = (payload: Buffer, fin = false) => frame(payload, { opcode: OPCODE.CONTINUATION, fin });

type Row = [name: string, frames: () => Buffer];

describe('the connection ends after', () => {
  const rows: Row[] = [
    ['a frame that is not masked', () => frame(publish(), { masked: false })],
    ['a reserved bit', () => frame(publish(), { reserved: 1 })],
    [
      'a reserved bit that says compressed, where nothing was agreed',
      () => frame(publish(), { reserved: 4 }),
    ],
    ['a reserved opcode for data', () => frame(publish(), { opcode: 3 })],
    ['a reserved opcode for control', () => frame(publish(), { opcode: 11 })],
    ['a text frame', () => frame(publish(), { opcode: OPCODE.TEXT })],
    ['a text frame that is no UTF-8', () => frame(Buffer.from([0xff, 0xfe]), { opcode: OPCODE.TEXT })],
    ['an empty text frame', () => frame(Buffer.alloc(0), { opcode: OPCODE.TEXT })],
    ['a continuation of nothing', () => frame(publish(), { opcode: OPCODE.CONTINUATION })],
    [
      'a message within another',
      () => Buffer.concat([frame(publish().subarray(0, 9), { fin: false }), frame(publish())]),
    ],
    ['a ping in pieces', () => frame(Buffer.from('x'), { opcode: OPCODE.PING, fin: false })],
    ['a ping of 126 bytes', () => frame(Buffer.alloc(126), { opcode: OPCODE.PING })],
    ['a close frame of one byte', () => frame(Buffer.from([3]), { opcode: OPCODE.CLOSE })],
    ['a close frame with a code that is none', () => frame(Buffer.from([0, 7]), { opcode: OPCODE.CLOSE })],
    ['a frame of 100 MB announced', () => frame(Buffer.alloc(1000), { length: 100_000_000n })],
    ['a frame of 2^53 bytes announced', () => frame(Buffer.alloc(1000), { length: 2n ** 53n })],
    ['a frame of 2^63 bytes announced', () => frame(Buffer.alloc(1000), { length: 2n ** 63n })],
    [
      'a message of small frames without end',
      () =>
        Buffer.concat([
          frame(Buffer.alloc(1024), { fin: false }),
          ...Array.from({ length: 1100 }, () => continued(Buffer.alloc(1024))),
        ]),
    ],
    [
      'a message of empty frames without end',
      () =>
        Buffer.concat([
          frame(Buffer.alloc(0), { fin: false }),
          ...Array.from({ length: 17_000 }, () => continued(Buffer.alloc(0))),
          continued(Buffer.from([0xff]), true),
        ]),
    ],
    [
      'a packet that is too large over many frames',
      () => inFrames(encode.publish('drivers/mallory/location', Buffer.alloc(70_000)), 1000),
    ],
    ['bytes behind its own close frame', () => Buffer.concat([close(), frame(publish())])],
  ];

  test.each(rows)('%s', async (_name, frames) => {
    const socket = await open();
    socket.send(frame(connect()), frames());
    await socket.closed;
    expect(isAcknowledged(socket)).toBe(false);
  });
});

const inFrames = (bytes: Buffer, size: number) =>
  Buffer.concat(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
      frame(bytes.subarray(at * size, at * size + size)),
    ),
  );

/** The same bytes of MQTT, as frames. */
const wrappings: [name: string, wrap: (bytes: Buffer) => Buffer][] = [
  ['in one frame', (bytes) => frame(bytes)],
  ['a byte a frame', (bytes) => inFrames(bytes, 1)],
  ['seven bytes a frame', (bytes) => inFrames(bytes, 7)],
  [
    'in fragments of a message, pings between them',
    (bytes) =>
      Buffer.concat([
        frame(bytes.subarray(0, 3), { fin: false }),
        frame(Buffer.from('?'), { opcode: OPCODE.PING }),
        ...[...bytes.subarray(3)].map((byte) => continued(Buffer.from([byte]))),
        frame(Buffer.from('!'), { opcode: OPCODE.PONG }),
        continued(Buffer.alloc(0), true),
      ]),
  ],
  [
    'between empty frames',
    (bytes) => Buffer.concat([frame(Buffer.alloc(0)), frame(bytes), frame(Buffer.alloc(0))]),
  ],
];

describe('bytes of MQTT mean the same', () => {
  test.each(wrappings)('%s', async (_name, wrap) => {
    const socket = await open();
    socket.send(wrap(Buffer.concat([connect(), publish()])));
    await socket.until(isAcknowledged);
    expect(isAcknowledged(socket)).toBe(true);
    socket.send(wrap(Buffer.concat([encode.acknowledge(4, 0), publish()])));
    await socket.closed;
  });

  test('behind the handshake, without waiting for its answer', async () => {
    const socket = new RawWebSocket(stage.fleet.platform.ports.ws);
    socket.send(handshake(), frame(connect()), frame(publish()));
    await socket.until(isAcknowledged);
    expect(isAcknowledged(socket)).toBe(true);
    socket.end();
  });
});

describe('a handshake is refused', () => {
  const rows: [name: string, request: () => string, status: number][] = [
    ['that is a POST', () => handshake({}, 'POST /mqtt HTTP/1.1'), 405],
    ['to another protocol', () => handshake({ Upgrade: 'h2c' }), 400],
    ['without a key', () => handshake({ 'Sec-WebSocket-Key': undefined }), 400],
    ['with a short key', () => handshake({ 'Sec-WebSocket-Key': 'abc' }), 400],
    ['of an old version', () => handshake({ 'Sec-WebSocket-Version': '7' }), 400],
    ['of no version', () => handshake({ 'Sec-WebSocket-Version': undefined }), 400],
    ['with a subprotocol that is none', () => handshake({ 'Sec-WebSocket-Protocol': 'mqtt, (' }), 400],
    ['with the same subprotocol twice', () => handshake({ 'Sec-WebSocket-Protocol': 'mqtt, mqtt' }), 400],
    ['with 64 kB of headers', () => handshake({ 'X-Long': 'a'.repeat(65_536) }), 431],
    ['with NUL in a header', () => handshake({ X: 'a\0b' }), 400],
    ['with a line break in a header', () => handshake({ X: 'a\rb' }), 400],
    ['at the address of another host', () => handshake({}, 'GET http://evil.example/mqtt HTTP/1.1'), 404],
    ['at a path like ours', () => handshake({}, 'GET //mqtt HTTP/1.1'), 404],
    ['that is MQTT', () => connect().toString('latin1'), 400],
  ];

  test.each(rows)('%s', async (_name, request, status) => {
    const socket = new RawWebSocket(stage.fleet.platform.ports.ws);
    socket.send(Buffer.from(request(), 'latin1'), frame(connect()), frame(publish()));
    await socket.closed;
    const [head = ''] = socket.text.split('\r\n\r\n');
    expect(parseAnswer(`${head}\r\n\r\n`).status).toBe(status);
    expect(isAcknowledged(socket)).toBe(false);
  });
});

test('a flood of pings, whose answers are never read, is not kept', async () => {
  const socket = await open();
  socket.send(frame(connect()));
  socket.socket.pause();
  const pings = Buffer.concat(
    Array.from({ length: 2000 }, () => frame(Buffer.alloc(125), { opcode: OPCODE.PING })),
  );
  for (let round = 0; round < 50 && !socket.socket.destroyed; round++)
    await new Promise<void>((resolve) => socket.socket.write(pings, () => resolve()));
  await stage.bystander.expectUndisturbed();
  socket.end();
});

test('who says goodbye and never closes is closed', async () => {
  const socket = await open();
  socket.send(frame(connect()), frame(encode.disconnect()));
  // It sends no close frame back, and keeps its side of the connection open
  await socket.closed;
});
