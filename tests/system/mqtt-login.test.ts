import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import jwt from 'jsonwebtoken';
import { type Fleet, json, position, startFleet } from '../support/fleet.ts';
import { connectClient } from '../support/mqtt-client.ts';
import { TEST_SECRET, token } from '../support/platform.ts';
import { encode, loginTcp, openTcp, type RawConnection, TYPE } from '../support/raw-mqtt.ts';

let fleet: Fleet;

beforeAll(async () => {
  fleet = await startFleet();
});
afterAll(() => fleet?.stop());

const now = () => Math.floor(Date.now() / 1000);
const claims = (fields: Record<string, unknown> = {}) => ({
  sub: 'driver-1',
  role: 'DRIVER',
  exp: now() + 600,
  ...fields,
});
const signed = (fields: Record<string, unknown>, secret = TEST_SECRET) =>
  // Without the claims that are undefined
  jwt.sign(JSON.parse(json(claims(fields))) as object, secret, { noTimestamp: true });
const unsigned = (payload: object, header: object) =>
  [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');

/** The return code of a CONNECT. A refused one is followed by the end of the connection. */
async function connack(options: Parameters<typeof encode.connect>[0]): Promise<number | undefined> {
  const raw = openTcp(fleet.platform.ports.mqtt);
  raw.send(encode.connect(options));
  const { body } = await raw.next(TYPE.CONNACK);
  const code = body[1];
  if (code === 0) raw.end();
  await raw.closed;
  expect(raw.received).toHaveLength(1);
  return code;
}

const badTokens: [string, () => string | undefined][] = [
  ['none', () => undefined],
  ['an empty one', () => ''],
  ['garbage', () => 'not.a.token'],
  ['bytes', () => '\u0000\u0001\uffff'],
  ['alg none', () => `${unsigned(claims(), { alg: 'none', typ: 'JWT' })}.`],
  ['alg none with a signature', () => `${unsigned(claims(), { alg: 'None' })}.${signed({}).split('.')[2]}`],
  ['another secret', () => signed({}, 'another-secret-of-the-same-length-0123456')],
  ['another algorithm', () => jwt.sign(claims(), TEST_SECRET, { algorithm: 'HS512' })],
  ['an expired one', () => signed({ exp: now() - 1 })],
  ['one whose nbf is ahead', () => signed({ nbf: now() + 300 })],
  ['one without exp', () => signed({ exp: undefined })],
  ['one without sub', () => signed({ sub: undefined })],
  ['a sub with a slash', () => signed({ sub: 'a/b' })],
  ['a sub with a wildcard', () => signed({ sub: '+' })],
  ['a sub of 65 characters', () => signed({ sub: 'a'.repeat(65) })],
  ['an unknown role', () => signed({ role: 'ADMIN' })],
  ['a list of roles', () => signed({ role: ['DRIVER', 'SERVICE'] })],
  ['one of 60 kB', () => signed({ filler: 'x'.repeat(40_000) })],
];

test.each(badTokens)('a CONNECT with a bad token (%s) gets CONNACK 4', async (_name, bad) => {
  const bearer = bad();
  expect(await connack(bearer === undefined ? {} : { token: bearer })).toBe(4);
});

test.each(['mqtt', 'ws'] as const)('a client library over %s is told 4, too', async (way) => {
  await expect(connectClient(fleet.platform.urls[way], 'garbage')).rejects.toMatchObject({ code: 4 });
});

test.each([
  ['DRIVER', {}],
  ['RIDER', {}],
  ['VIEWER', { trips: ['7b8f1c52-6a0e-4a6e-9d43-0f8f2f6b5a11'] }],
  ['OPERATOR', {}],
  ['SERVICE', {}],
])('a good token of role %s is let in, whatever the user name', async (role, fields) => {
  expect(await connack({ token: signed({ sub: `ok-${role}`, role, nbf: now() - 1, ...fields }) })).toBe(0);
});

describe('client ids', () => {
  test('may be empty for a clean session, for many at a time', async () => {
    const riders = await Promise.all(
      Array.from({ length: 5 }, async () =>
        loginTcp(fleet.platform.ports.mqtt, { token: await token('RIDER', 'rider-1') }),
      ),
    );
    for (const rider of riders) {
      rider.send(encode.ping());
      await rider.next(TYPE.PINGRESP);
      rider.end();
    }
  });

  test('may not be empty for a session that is to last (MQTT 3.1.1, 3.1.3-8)', async () => {
    expect(await connack({ token: await token('RIDER', 'rider-1'), clean: false })).toBe(2);
  });

  test('may be long, and hold anything; where they are too long the CONNECT is refused', async () => {
    const bearer = await token('RIDER', 'rider-1');
    for (const clientId of [
      'x'.repeat(200),
      '../../etc/passwd',
      '#/+',
      'ünï çödé 🚗',
      '__proto__',
      'constructor',
      ' ',
    ])
      expect({ clientId, code: await connack({ token: bearer, clientId }) }).toEqual({ clientId, code: 0 });
    expect(await connack({ token: bearer, clientId: 'x'.repeat(20_000) })).toBe(2);
  });

  test('of another user take nothing over', async () => {
    const victim = await loginTcp(fleet.platform.ports.mqtt, {
      token: await token('DRIVER', 'victim-1'),
      clientId: 'phone',
    });
    const attempts = ['phone', 'victim-1/phone', '../victim-1/phone', '/phone'];
    for (const clientId of attempts)
      expect(await connack({ token: await token('DRIVER', 'thief-1'), clientId })).toBe(0);
    victim.send(encode.ping());
    await victim.next(TYPE.PINGRESP);
    victim.end();
  });

  test('of the same user take the older connection over', async () => {
    const login = { token: await token('DRIVER', 'twice-1'), clientId: 'phone' };
    const first = await loginTcp(fleet.platform.ports.mqtt, login);
    const second = await loginTcp(fleet.platform.ports.mqtt, login);
    await first.closed;
    second.send(encode.publish('drivers/twice-1/location', json(position()), { qos: 1, id: 3 }));
    expect((await second.next(TYPE.PUBACK)).body.readUInt16BE(0)).toBe(3);
    second.end();
  });
});

describe('the limit of a driver', () => {
  const open = async (sub: string, count: number): Promise<RawConnection[]> => {
    const bearer = await token('DRIVER', sub);
    return Promise.all(
      Array.from({ length: count }, (_, index) =>
        loginTcp(fleet.platform.ports.mqtt, { token: bearer, clientId: `device-${index}` }),
      ),
    );
  };

  test('is three connections: the 4th gets CONNACK 5, and the others stay', async () => {
    const three = await open('limit-1', 3);
    const bearer = await token('DRIVER', 'limit-1');
    expect(await connack({ token: bearer, clientId: 'device-4' })).toBe(5);
    expect(await connack({ token: bearer })).toBe(5);
    await expect(connectClient(fleet.platform.urls.ws, bearer)).rejects.toMatchObject({ code: 5 });
    for (const connection of three) {
      connection.send(encode.ping());
      await connection.next(TYPE.PINGRESP);
    }
    // Another driver has a limit of its own
    expect(await connack({ token: await token('DRIVER', 'limit-2') })).toBe(0);
    for (const connection of three) connection.end();
  });

  test('does not count a takeover, however often', async () => {
    const three = await open('limit-3', 3);
    for (let round = 0; round < 5; round++) {
      const [taken] = await open('limit-3', 1);
      three.push(taken as RawConnection);
    }
    expect(await connack({ token: await token('DRIVER', 'limit-3'), clientId: 'device-9' })).toBe(5);
    for (const connection of three) connection.end();
  });

  test('has room again as soon as one has gone, in whatever way', async () => {
    const three = await open('limit-4', 3);
    three[0]?.send(encode.disconnect());
    three[1]?.stream.destroy();
    three[2]?.send(Buffer.from([0xff, 0xff]));
    await Promise.all(three.map(({ closed }) => closed));
    // One that was cut off on our side is gone on the other side a moment later
    let again: RawConnection[] = [];
    for (let attempt = 0; attempt < 50 && again.length === 0; attempt++)
      again = await open('limit-4', 3).catch(() => new Promise((resolve) => setTimeout(resolve, 100, [])));
    expect(again).toHaveLength(3);
    for (const connection of again) connection.end();
  });

  test('holds when all come at once', async () => {
    const bearer = await token('DRIVER', 'limit-5');
    const logins = await Promise.allSettled(
      Array.from({ length: 12 }, (_, index) =>
        loginTcp(fleet.platform.ports.mqtt, { token: bearer, clientId: `racer-${index}` }),
      ),
    );
    const open = logins.flatMap((login) => (login.status === 'fulfilled' ? [login.value] : []));
    expect(open).toHaveLength(3);
    for (const login of logins)
      if (login.status === 'rejected') expect(String(login.reason)).toContain('CONNACK 5');
    for (const connection of open) connection.end();
  });

  test('is not one of riders, operators and services', async () => {
    for (const role of ['RIDER', 'OPERATOR', 'SERVICE'] as const) {
      const bearer = await token(role, 'many-1');
      const many = await Promise.all(
        Array.from({ length: 10 }, () => loginTcp(fleet.platform.ports.mqtt, { token: bearer })),
      );
      for (const connection of many) connection.end();
    }
  });
});

test('MQTT 5 is refused with a CONNACK that says so, not with silence', async () => {
  expect(await connack({ token: await token('DRIVER', 'five-1'), level: 5 })).toBe(1);
  const login = connectClient(fleet.platform.urls.mqtt, await token('DRIVER', 'five-1'), {
    protocolVersion: 5,
  });
  await expect(login).rejects.toBeInstanceOf(Error);
  expect(await connack({ token: await token('DRIVER', 'five-1') })).toBe(0);
});

test('logins are counted by their result', async () => {
  const count = async (result: string) => {
    const text = await (await fetch(`${fleet.platform.urls.metrics}/metrics`)).text();
    return Number(
      new RegExp(`^fleetcast_logins_total\\{result="${result}"\\} (\\d+)`, 'm').exec(text)?.[1] ?? 0,
    );
  };
  const before = { accepted: await count('accepted'), bad: await count('bad_token') };
  await connack({ token: await token('RIDER', 'counted-1') });
  await connack({ token: 'x' });
  expect({ accepted: await count('accepted'), bad: await count('bad_token') }).toEqual({
    accepted: before.accepted + 1,
    bad: before.bad + 1,
  });
});
