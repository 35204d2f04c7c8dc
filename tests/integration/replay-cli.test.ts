import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Aedes, type AedesOptions } from 'aedes';
import jwt from 'jsonwebtoken';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { spawn } from '../support/child-process.ts';
import { compiled } from '../support/platform.ts';

jest.setTimeout(60_000);

type Position = Record<string, unknown> & { recordedAt: string };
type Received = { topic: string; position: Position; receivedAt: number };

let folder: string;
let cleanUps: (() => unknown)[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'replay-'));
  cleanUps = [() => rm(folder, { recursive: true })];
});
afterEach(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
});

/** A plain broker that notes every position; its TCP port can be closed and opened again. */
async function startBroker(options: AedesOptions = {}) {
  const aedes = await Aedes.createBroker(options);
  const received: Received[] = [];
  aedes.on('publish', ({ topic, payload }, client) => {
    if (client !== null && topic.endsWith('/location'))
      received.push({ topic, position: JSON.parse(payload.toString()), receivedAt: Date.now() });
  });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.once('close', () => sockets.delete(socket)));
    aedes.handle(socket);
  });
  const open = async (port: number) => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const close = async () => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  const port = await open(0);
  cleanUps.push(() => new Promise<void>((resolve) => aedes.close(resolve)), close);
  return { aedes, received, port, url: `mqtt://127.0.0.1:${port}`, close, reopen: () => open(port) };
}

/** The real command in an empty folder, with nothing of our own environment but what it needs to run. */
function start(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [compiled('tools/replay/main.ts'), ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  cleanUps.push(() => child.kill('SIGKILL'));
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]).then(
    ([stdout, stderr, [status]]) => ({ stdout, stderr, status: status as number | null }),
  );
  return { child, ended };
}

const replay = (args: string[], env: Record<string, string> = {}) => start(args, env).ended;

async function track(lines: readonly string[]): Promise<string> {
  const file = join(folder, 'track.csv');
  await writeFile(file, `${lines.join('\n')}\n`);
  return file;
}

/** Some cars that go north, a position a second each, grouped by car. */
function cars(count: number, seconds: number): string[] {
  const rows = ['track_id,lon,lat,speed,time'];
  for (let car = 1; car <= count; car++)
    for (let second = 0; second < seconds; second++)
      rows.push(`${car},23.7,${(37 + second / 1000).toFixed(3)},36,${new Date(second * 1000).toISOString()}`);
  return rows;
}

const keyOf = ({ topic, position }: Received) => `${topic} ${position.recordedAt}`;

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe('npm run replay', () => {
  test('sends every position once, in order, with the fields of a position', async () => {
    const broker = await startBroker();
    const args = ['--url', broker.url, '--token', 'x', '--speed', 'max', '--speed-unit', 'kmh'];
    const { status, stdout } = await replay([await track(cars(3, 20)), ...args]);
    expect(stdout).toMatch(
      /^positions in the file +60, 3 drivers\nsent +60\nacknowledged +60\nrejected +0\n/,
    );
    expect(status).toBe(0);
    expect(broker.received).toHaveLength(60);
    for (let car = 1; car <= 3; car++) {
      const own = broker.received.filter(({ topic }) => topic === `drivers/driver-${car}/location`);
      expect(own.map(({ position }) => position)).toEqual(
        Array.from({ length: 20 }, (_, second) => ({
          latitude: Number((37 + second / 1000).toFixed(3)),
          longitude: 23.7,
          speed: 10,
          ...(second === 0 ? {} : { bearing: 0 }),
          recordedAt: new Date(second * 1000).toISOString(),
        })),
      );
    }
  });

  test('sends all that was not acknowledged again when the broker was away, as the same positions', async () => {
    let held = 0;
    const broker = await startBroker({
      // Nothing is acknowledged from the 40th position on until the broker has been away.
      authorizePublish: (_client, _packet, callback) => {
        if (broker.received.length < 40 || reopened) callback(null);
        else held++;
      },
    });
    let reopened = false;
    const args = ['--url', broker.url, '--token', 'x', '--speed', '100', '--in-flight', '30'];
    const { ended } = start([await track(cars(2, 100)), ...args]);
    await until(() => held > 0 && broker.received.length >= 40);
    await broker.close();
    await new Promise((resolve) => setTimeout(resolve, 300));
    reopened = true;
    await broker.reopen();
    const { status, stdout, stderr } = await ended;

    expect(stderr).toContain('connection lost');
    expect(stdout).toMatch(/sent +200\nacknowledged +200\nrejected +0\nreconnects +1\n/);
    expect(status).toBe(0);
    const expected = cars(2, 100)
      .slice(1)
      .map((row) => row.split(','))
      .map(([car, , , , time]) => `drivers/driver-${car}/location ${time}`);
    expect(new Set(broker.received.map(keyOf))).toEqual(new Set(expected));
    // What arrives twice is word for word the same.
    expect(new Set(broker.received.map((one) => JSON.stringify([one.topic, one.position]))).size).toBe(200);
  });

  test('without a token signs one for each driver and opens a connection with it', async () => {
    const passwords: string[] = [];
    const broker = await startBroker({
      authenticate: (_client, _username, password, done) => {
        passwords.push(String(password));
        done(null, true);
      },
    });
    await writeFile(join(folder, '.env'), `JWT_SECRET=${'s'.repeat(40)}\nMQTT_PORT=${broker.port}\n`);
    const { status } = await replay([await track(cars(4, 3)), '--speed', 'max', '--driver-prefix', 'cab_']);
    expect(status).toBe(0);
    const claims = passwords.map((token) => jwt.verify(token, 's'.repeat(40)) as jwt.JwtPayload);
    expect(claims.map(({ sub, role }) => `${sub} ${role}`).sort()).toEqual([
      'cab_1 DRIVER',
      'cab_2 DRIVER',
      'cab_3 DRIVER',
      'cab_4 DRIVER',
    ]);
    expect(broker.received).toHaveLength(12);
  });

  test('counts what the platform rejects, and says what helps', async () => {
    const broker = await startBroker();
    broker.aedes.on('publish', ({ topic }, client) => {
      if (client === null || !topic.endsWith('/location')) return;
      const payload = Buffer.from(JSON.stringify({ code: 'RATE_LIMITED', message: '', topic }));
      const packet = { cmd: 'publish', topic: 'drivers/booking/errors', payload, qos: 1 } as const;
      broker.aedes.publish({ ...packet, dup: false, retain: false }, () => undefined);
    });
    const token = jwt.sign({ sub: 'booking', role: 'SERVICE' }, 'any');
    const args = [await track(cars(1, 5)), '--url', broker.url, '--speed', 'max'];
    const { status, stdout } = await replay(args, { FLEETCAST_TOKEN: token });
    expect(stdout).toContain('acknowledged           5\nrejected               5 (RATE_LIMITED 5)\n');
    expect(stdout).toContain('LOCATION_MIN_INTERVAL_MS=0');
    expect(status).toBe(1);
  });

  test('goes over WebSocket, at its speed, and shifted to now is never ahead of the clock', async () => {
    const broker = await startBroker();
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, path: '/mqtt' });
    server.on('connection', (socket) => broker.aedes.handle(createWebSocketStream(socket)));
    await once(server, 'listening');
    cleanUps.push(() => server.close());
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const args = ['--url', url, '--token', 'x', '--shift-to-now', '--speed', '20', '--driver', 'me'];
    const { status } = await replay([await track(cars(1, 21)), ...args]);
    expect(status).toBe(0);
    expect(broker.received).toHaveLength(21);
    const times = broker.received.map(({ position }) => Date.parse(position.recordedAt));
    expect(times.map((time) => time - (times[0] ?? 0))).toEqual(times.map((_, second) => second * 1000));
    for (const { topic, position, receivedAt } of broker.received) {
      expect(topic).toBe('drivers/me/location');
      expect(Date.parse(position.recordedAt)).toBeLessThanOrEqual(receivedAt);
    }
    const [first, last] = [broker.received[0]?.receivedAt ?? 0, broker.received.at(-1)?.receivedAt ?? 0];
    expect(last - first).toBeGreaterThan(900);
    // 20 s lie between the first and the last
    expect(last - (times.at(-1) ?? 0)).toBeLessThan(10_000);
  });

  test('ends with its summary when interrupted', async () => {
    const broker = await startBroker();
    const { child, ended } = start([await track(cars(1, 60)), '--url', broker.url, '--token', 'x']);
    await until(() => broker.received.length >= 2);
    child.kill('SIGINT');
    const { status, stdout } = await ended;
    expect(status).toBe(1);
    const sent = /sent +(\d+) of 60\nacknowledged +(\d+)\n/.exec(stdout);
    expect(sent?.[1]).toBe(sent?.[2]);
    expect(stdout).toMatch(/publish to PUBACK +p50/);
  });

  test('says why when the broker refuses the token', async () => {
    const broker = await startBroker({
      authenticate: (_client, _username, _password, done) =>
        done(Object.assign(new Error('bad token'), { returnCode: 4 }), null),
    });
    const { status, stderr } = await replay([await track(cars(1, 2)), '--url', broker.url, '--token', 'x']);
    expect(stderr).toContain('refused by the broker: the token is bad or expired');
    expect(status).toBe(1);
  });

  test('names every wrong argument, and a file without a position', async () => {
    const wrong = await replay(['nowhere.csv', '--speed', 'fast', '--limit', 'few']);
    expect(wrong.stderr.trim().split('\n')).toEqual([
      'replay: --speed: "fast" is neither a number above 0 nor max',
      'replay: --limit: "few" is not a whole number from 1 on',
    ]);
    expect(wrong.status).toBe(2);
    expect((await replay(['nowhere.csv'])).status).toBe(2);

    const empty = await replay([await track(['lat,lon,time', ',,'])]);
    expect(empty.stderr).toContain('line 2: no latitude');
    expect(empty.status).toBe(1);
  });
});
