import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type Certificate, selfSignedCertificate } from '../support/certificate.ts';
import { type Fleet, json, position, startFleet } from '../support/fleet.ts';
import type { TestClient } from '../support/mqtt-client.ts';
import { request, token } from '../support/platform.ts';
import { v1Header, v2Header } from '../support/proxy-protocol.ts';
import { encode, RawConnection, TYPE } from '../support/raw-mqtt.ts';
import { openWebSocket } from '../support/raw-websocket.ts';
import { BUSY_MS } from '../support/redis.ts';

const HOLD_OFF_MS = 3000;

let certificate: Certificate;
let fleet: Fleet;
let bystander: TestClient;
let operator: TestClient;

beforeAll(async () => {
  certificate = await selfSignedCertificate();
  fleet = await startFleet({
    MQTTS_PORT: '0',
    MQTT_WSS_PORT: '0',
    TLS_CERT_FILE: certificate.certFile,
    TLS_KEY_FILE: certificate.keyFile,
    TRUST_PROXY: 'loopback',
    // Other tests say what happens then
    MQTT_CONNECT_TIMEOUT_MS: '60000',
    MQTT_MAX_UNAUTHENTICATED: '100',
    MQTT_MAX_UNAUTHENTICATED_PER_ADDRESS: '50',
    MQTT_FAILURES_PER_MINUTE: '20',
    MQTT_ADDRESS_HOLD_OFF_MS: String(HOLD_OFF_MS),
    MQTT_FLAPPING_LOGINS_PER_MINUTE: '15',
    MQTT_FLAPPING_TAKEOVERS_PER_MINUTE: '5',
    MQTT_FLAPPING_HOLD_OFF_MS: String(HOLD_OFF_MS),
  });
  bystander = await fleet.client('DRIVER', 'bystander');
  operator = await fleet.subscriber('OPERATOR', 'operator-1', 'drivers/+/location');
});
afterAll(async () => {
  await fleet?.stop();
  await certificate?.remove();
});

let sent = 0;
/** Whoever is connected already notices nothing. */
afterEach(async () => {
  const speed = ++sent;
  await bystander.client.publishAsync('drivers/bystander/location', json(position({ speed })), { qos: 1 });
  await operator.next(({ payload }) => (payload as { speed?: number }).speed === speed);
});

/** A connection that a proxy hands on for a client at this address. */
function openFrom(address: string): RawConnection {
  const socket = connectTcp(fleet.platform.ports.mqtt, '127.0.0.1');
  socket.write(v1Header(address));
  return new RawConnection(socket);
}

type Login = Parameters<typeof encode.connect>[0];

/** The code of the CONNACK; undefined: closed without a word. */
async function codeFrom(address: string, login: Login): Promise<[number | undefined, RawConnection]> {
  const connection = openFrom(address);
  connection.send(encode.connect(login));
  const answer = await connection.next(TYPE.CONNACK).catch(() => undefined);
  return [answer?.body[1], connection];
}

/** Logs in and hangs up; the code. */
async function visitFrom(address: string, login: Login): Promise<number | undefined> {
  const [code, connection] = await codeFrom(address, login);
  connection.end();
  return code;
}

async function metric(series: string): Promise<number> {
  const text = await (await fetch(`${fleet.platform.urls.metrics}/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.split(' ').at(-1));
}

const turnedAway = (reason: string) => metric(`fleetcast_connections_turned_away_total{reason="${reason}"}`);

/** Tries until it holds: what was held off is not any more, or not yet. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const start = performance.now();
  while (!(await holds())) {
    if (performance.now() - start > HOLD_OFF_MS + BUSY_MS) throw new Error('it never does');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/**
 * Fails until a good login from this address is closed without a word. Again, where that is too late: a slow machine may not see it the
 * first time.
 */
async function untilHeldOff(address: string, fail: () => Promise<unknown>): Promise<void> {
  const login = { token: await token('RIDER', 'good-1') };
  await until(async () => {
    for (let count = 0; count < 21; count++) await fail();
    return (await visitFrom(address, login)) === undefined;
  });
}

async function untilRejected(attempt: () => Promise<void>): Promise<Error> {
  for (let count = 0; count < 200; count++) {
    try {
      await attempt();
    } catch (error) {
      return error as Error;
    }
  }
  throw new Error('it never is');
}

/** Lines of the log about holding off. */
const heldOff = (field: string, value: string) =>
  fleet.platform.output.filter(
    (line) => line.includes('held off"') && line.includes(`"${field}":"${value}"`),
  );

describe('an address', () => {
  test('whose logins fail over and over is closed at once for a while, with one line in the log; others are not', async () => {
    const rider = await token('RIDER', 'good-1');
    for (let attempt = 0; attempt < 20; attempt++)
      expect(await visitFrom('198.51.100.1', { token: 'x' })).toBe(4);
    await untilHeldOff('198.51.100.1', () => visitFrom('198.51.100.1', { token: 'x' }));
    expect(await visitFrom('198.51.100.2', { token: rider })).toBe(0);
    const lines = heldOff('address', '198.51.100.1').length;
    const before = await turnedAway('held_off');
    await until(async () => (await visitFrom('198.51.100.1', { token: rider })) === 0);
    // However many came meanwhile
    expect(await turnedAway('held_off')).toBeGreaterThan(before);
    expect(heldOff('address', '198.51.100.1')).toHaveLength(lines);
  });

  test.each([
    ['garbage', '198.51.100.3', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['nothing', '198.51.100.4', undefined],
  ])('that sends %s, over and over, is too', async (_what, address, bytes) => {
    await untilHeldOff(address, async () => {
      const connection = openFrom(address);
      if (bytes !== undefined) connection.send(bytes);
      // What follows the header is read after it
      else connection.stream.end();
      await connection.closed;
    });
  });

  test('of IPv6 counts with its whole /64', async () => {
    let host = 1;
    const next = () => `2001:db8::${(host++).toString(16)}:1`;
    await untilHeldOff('2001:db8::ffff', () => visitFrom(next(), { token: 'x' }));
    expect(await visitFrom('2001:db8:0:1::ffff', { token: await token('RIDER', 'good-1') })).toBe(0);
  });

  test('behind which a whole fleet is loses nobody when all come back at once, though some of them fail', async () => {
    const address = '203.0.113.1';
    const tokens = await Promise.all(
      Array.from({ length: 200 }, (_, index) => token('DRIVER', `nat-${index}`)),
    );
    for (let round = 0; round < 2; round++) {
      const open: RawConnection[] = [];
      // No more at a time than may be silent
      for (let start = 0; start < tokens.length; start += 40) {
        const logins = await Promise.all(
          tokens.slice(start, start + 40).map((each) => codeFrom(address, { token: each })),
        );
        expect(logins.map(([code]) => code)).toEqual(new Array(40).fill(0));
        open.push(...logins.map(([, connection]) => connection));
        if (start > 0)
          for (let bad = 0; bad < 10; bad++) expect(await visitFrom(address, { token: 'x' })).toBe(4);
      }
      for (const connection of open) connection.end();
    }
  });

  test('may open so many connections without a word: then its oldest go, and it can log in all the same', async () => {
    const address = '203.0.113.2';
    const silent: RawConnection[] = [];
    for (let count = 0; count < 52; count++) {
      const connection = openFrom(address);
      await once(connection.stream, 'connect');
      silent.push(connection);
    }
    const [first, second, third] = silent as [RawConnection, RawConnection, RawConnection];
    await Promise.all([first.closed, second.closed]);
    expect(third.stream.destroyed).toBe(false);
    expect(await visitFrom(address, { token: await token('RIDER', 'good-2') })).toBe(0);
    expect(await turnedAway('crowded')).toBeGreaterThanOrEqual(2);
    for (const connection of silent) connection.end();
  });
});

test('all together may open so many connections without a word: then the oldest go, and whoever logs in is let in', async () => {
  const silent: RawConnection[] = [];
  for (let count = 0; count < 105; count++) {
    const connection = openFrom(`192.0.2.${count % 50}`);
    await once(connection.stream, 'connect');
    silent.push(connection);
  }
  await Promise.all(silent.slice(0, 5).map(({ closed }) => closed));
  expect(await visitFrom('203.0.113.3', { token: await token('RIDER', 'good-3') })).toBe(0);
  for (const connection of silent) connection.end();
});

describe('a user', () => {
  test('that connects and drops over and over gets CONNACK 5 for a while; others of its address do not', async () => {
    const address = '203.0.113.4';
    const flapping = { token: await token('RIDER', 'flapping-1') };
    let code: number | undefined = 0;
    for (let count = 0; count < 100 && code === 0; count++) code = await visitFrom(address, flapping);
    expect(code).toBe(5);
    expect(await visitFrom(address, { token: await token('RIDER', 'good-4') })).toBe(0);
    expect(await metric('fleetcast_logins_total{result="flapping"}')).toBeGreaterThanOrEqual(1);
    await until(async () => (await visitFrom(address, flapping)) === 0);
    expect(heldOff('sub', 'flapping-1').length).toBeGreaterThanOrEqual(1);
  });

  test('whose devices throw each other out is held off sooner', async () => {
    const login = { token: await token('DRIVER', 'fighting-1'), clientId: 'phone' };
    const open: RawConnection[] = [];
    let code: number | undefined = 0;
    while (code === 0 && open.length < 14) {
      const [answer, connection] = await codeFrom('203.0.113.5', login);
      code = answer;
      // Taken over: what counts is its end
      if (code === 0) await open.at(-1)?.closed;
      open.push(connection);
    }
    expect(code).toBe(5);
    for (const connection of open) connection.end();
  });
});

test('a client on this machine is not counted, whatever it does', async () => {
  const { mqtt } = fleet.platform.ports;
  const visit = async (login: Login) => {
    const connection = new RawConnection(connectTcp(mqtt, '127.0.0.1'));
    connection.send(encode.connect(login));
    const { body } = await connection.next(TYPE.CONNACK);
    connection.end();
    return body[1];
  };
  for (let count = 0; count < 60; count++) expect(await visit({ token: 'x' })).toBe(4);
  const again = { token: await token('RIDER', 'local-1') };
  for (let count = 0; count < 60; count++) expect(await visit(again)).toBe(0);
});

describe('whom a trusted proxy speaks for is what stands of a connection', () => {
  /** Of the one connection of a user, as soon as it is known. */
  async function addressOf(sub: string): Promise<string | null | undefined> {
    const bearer = await token('OPERATOR', 'operator-2');
    for (let tries = 0; tries < 100; tries++) {
      const { body } = await request(fleet.platform, bearer, 'GET', `/v1/connections?sub=${sub}`);
      const [connection] = (body as { items: { remoteAddress: string | null }[] }).items;
      if (connection !== undefined) return connection.remoteAddress;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return undefined;
  }

  async function proxied(port: number, header: Buffer): Promise<Socket> {
    const socket = connectTcp(port, '127.0.0.1');
    // A header may come in pieces
    socket.write(header.subarray(0, 10));
    await new Promise((resolve) => setImmediate(resolve));
    socket.write(header.subarray(10));
    return socket;
  }

  const secured = (socket: Socket) => connectTls({ socket, ca: certificate.pem, servername: 'localhost' });

  async function expectAddress(raw: RawConnection, sub: string, address: string): Promise<void> {
    raw.send(encode.connect({ token: await token('RIDER', sub) }));
    expect((await raw.next(TYPE.CONNACK)).body[1]).toBe(0);
    expect(await addressOf(sub)).toBe(address);
    raw.end();
  }

  const v1 = v1Header('198.51.100.80');
  const v2 = v2Header({ source: '2001:db8:0:0:0:0:0:80', tail: new Uint8Array(300) });

  test.each([
    ['version 1', v1, '198.51.100.80'],
    ['version 2', v2, '2001:db8::80'],
  ])('over TCP and TLS, by the PROXY protocol, %s', async (version, header, address) => {
    const { mqtt, mqtts } = fleet.platform.ports;
    const name = version.replace(' ', '-');
    await expectAddress(new RawConnection(await proxied(mqtt, header)), `tcp-${name}`, address);
    const tls = secured(await proxied(mqtts as number, header));
    await expectAddress(new RawConnection(tls), `tls-${name}`, address);
  });

  test('over WebSocket, by the PROXY protocol, by X-Forwarded-For, or by both', async () => {
    const { urls, ports } = fleet.platform;
    const forged = { 'x-forwarded-for': '192.0.2.99, 198.51.100.81' };
    const byHeader = await openWebSocket(urls.ws, { headers: forged });
    await expectAddress(byHeader.raw, 'ws-1', '198.51.100.81');
    const plain = await proxied(ports.ws, v1);
    const byProtocol = await openWebSocket(urls.ws, { createConnection: () => plain });
    await expectAddress(byProtocol.raw, 'ws-2', '198.51.100.80');
    const wss = `wss://localhost:${ports.wss}/mqtt`;
    const tls = secured(await proxied(ports.wss as number, v1Header('127.0.0.9')));
    // Two proxies: the outer one spoke HTTP, the inner one spoke for it
    const both = await openWebSocket(wss, { createConnection: () => tls, headers: forged });
    await expectAddress(both.raw, 'ws-3', '198.51.100.81');
    const alone = await openWebSocket(wss, { ca: certificate.pem });
    await expectAddress(alone.raw, 'ws-4', '127.0.0.1');
  });

  test('and a WebSocket of an address that is held off is closed', async () => {
    const headers = { 'x-forwarded-for': '198.51.100.90' };
    const error = await untilRejected(async () => {
      const { raw } = await openWebSocket(fleet.platform.urls.ws, { headers });
      raw.send(encode.connect({ token: 'x' }));
      await raw.closed;
    });
    expect(error.message).toContain('socket hang up');
  });

  test.each([
    ['malformed', Buffer.from('PROXY TCP4 nonsense\r\n')],
    ['never ending', Buffer.concat([Buffer.from('PROXY TCP4 '), Buffer.alloc(200, '1')])],
  ])('a header that is %s closes its connection', async (_what, header) => {
    const raw = new RawConnection(connectTcp(fleet.platform.ports.mqtt, '127.0.0.1'));
    raw.send(header, encode.connect({ token: await token('RIDER', 'good-5') }));
    await raw.closed;
    expect(raw.received).toEqual([]);
  });
});
