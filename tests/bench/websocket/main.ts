import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { deflateRawSync } from 'node:zlib';
import type { Measured, Order, Report } from './server.ts';
import { type Setting, settings } from './settings.ts';
import { driverLocation, generatedTracks, recordedTracks, tripLocation, tripStatus } from './traffic.ts';

/**
 * What compressing a WebSocket saves and costs: bytes on the wire to a rider (a position a second of one trip) and to an operator
 * (those of 50 drivers, in a burst), memory a connection, CPU of the server. Clients are as browsers: they offer the extension and
 * compress what they send; what they receive is counted, not unpacked.
 */
const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '30' },
    file: { type: 'string' },
  },
});
const connections = Number(values.connections);
const seconds = Number(values.seconds);
const tracks = values.file === undefined ? generatedTracks(50, seconds) : recordedTracks(values.file);

const HANDSHAKE = [
  'GET /mqtt HTTP/1.1',
  'Host: x',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
  '\r\n',
].join('\r\n');

/** What a CONNECT with a token is about as long as, and compresses as badly. */
const LOGIN = Buffer.from(Array.from({ length: 360 }, (_, at) => (at * 7919 + (at >> 3) * 104_729) % 251));

/** A frame of a browser, masked with zeros (RFC 6455, 5.2), compressed where the server agreed to it. */
function frame(data: Buffer, isCompressed: boolean): Buffer {
  const body = isCompressed ? deflateRawSync(data, { windowBits: 10, finishFlush: 2 }).subarray(0, -4) : data;
  const header = Buffer.from([isCompressed ? 0xc2 : 0x82, 0x80 | 126, body.length >> 8, body.length & 255]);
  return Buffer.concat([header, Buffer.alloc(4), body]);
}

type Reader = { socket: Socket; bytes: number };

async function open(port: number): Promise<Reader> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(HANDSHAKE);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  const reader: Reader = { socket, bytes: 0 };
  socket.on('data', (chunk: Buffer) => {
    reader.bytes += chunk.length;
  });
  socket.write(frame(LOGIN, answer.includes('permessage-deflate')));
  return reader;
}

class Server {
  private readonly child: ChildProcess;

  constructor(setting: Setting) {
    this.child = fork(new URL('./server.ts', import.meta.url), [String(settings.indexOf(setting))], {
      execArgv: ['--expose-gc', '--import', 'tsx'],
    });
  }

  async report<Kind extends Report['kind']>(kind: Kind, order?: Order) {
    if (order !== undefined) this.child.send(order);
    for (;;) {
      const [report] = (await once(this.child, 'message')) as [Report];
      if (report.kind === kind) return report as Extract<Report, { kind: Kind }>;
    }
  }

  async measure(): Promise<Measured> {
    return this.report('measured', { kind: 'measure' });
  }

  stop(): void {
    this.child.kill();
  }
}

const base64 = (packets: Buffer[]) => packets.map((bytes) => bytes.toString('base64'));

/** Each rider has a trip: its status every minute, its driver's position every second. */
const riderRounds = () =>
  Array.from({ length: seconds }, (_, second) =>
    tracks.map((track) => {
      // Recorded ones differ in length
      const fix = track.fixes[second % track.fixes.length];
      if (fix === undefined) throw new Error(`no positions of ${track.driverId}`);
      const status = second % 60 === 0 ? [tripStatus(track, second / 60)] : [];
      return base64([...status, tripLocation(track, fix, second)]);
    }),
  );

const operatorRounds = () =>
  Array.from({ length: seconds }, (_, second) => [
    base64(
      tracks.slice(0, 50).flatMap((track) => {
        const fix = track.fixes[second];
        return fix === undefined ? [] : [driverLocation(track, fix, second)];
      }),
    ),
  ]);

const sum = (readers: readonly Reader[]) => readers.reduce((total, { bytes }) => total + bytes, 0);

type Row = { name: string; rider: number; operator: number; idle: number; busy: number; cpu: number };

async function measure(setting: Setting): Promise<Row> {
  const server = new Server(setting);
  try {
    const { port } = await server.report('port');
    const empty = await server.measure();
    const readers: Reader[] = [];
    while (readers.length < connections)
      readers.push(
        ...(await Promise.all(
          Array.from({ length: Math.min(50, connections - readers.length) }, () => open(port)),
        )),
      );
    const idle = await server.measure();
    const rounds = riderRounds();
    const sentBefore = sum(readers);
    await server.report('sent', { kind: 'send', rounds });
    const busy = await server.measure();
    const rider = (sum(readers) - sentBefore) / connections / rounds.length;
    for (const { socket } of readers) socket.destroy();
    const lone = new Server(setting);
    const { port: lonePort } = await lone.report('port');
    const reader = await open(lonePort);
    await lone.measure();
    const before = reader.bytes;
    await lone.report('sent', { kind: 'send', rounds: operatorRounds() });
    await lone.measure();
    const operator = (reader.bytes - before) / seconds;
    reader.socket.destroy();
    lone.stop();
    return {
      name: setting.name,
      rider,
      operator,
      idle: (idle.rss - empty.rss) / connections / 1024,
      busy: (busy.rss - empty.rss) / connections / 1024,
      cpu: (busy.cpuMs - idle.cpuMs) / ((connections * rounds.length) / 1000),
    };
  } finally {
    server.stop();
  }
}

const print = (line: string) => process.stdout.write(`${line}\n`);

print(`${connections} connections, ${seconds} s, ${values.file ?? 'generated tracks'}\n`);
print(
  '| setting | rider, B/position | operator of 50, B/s | kB a connection, logged in | and served | CPU ms/1,000 deliveries |',
);
print('| --- | ---: | ---: | ---: | ---: | ---: |');
for (const setting of settings) {
  const { name, rider, operator, idle, busy, cpu } = await measure(setting);
  print(
    `| ${name} | ${rider.toFixed(0)} | ${operator.toFixed(0)} | ${idle.toFixed(1)} | ${busy.toFixed(1)} | ${cpu.toFixed(0)} |`,
  );
}
