import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AbuseStage } from '../support/abuse-stage.ts';
import { type ErrorMessage, json } from '../support/fleet.ts';
import { connectClient } from '../support/mqtt-client.ts';
import { decodePublish, encode, loginTcp, openTcp, type RawConnection, TYPE } from '../support/raw-mqtt.ts';
import { AUDIENCE, compose, createIssuer, hmac, ISSUER, type Issuer } from '../support/token-issuer.ts';

const place = { latitude: 47.26541234, longitude: 11.39281234 };

type Row = [name: string, make: (issuer: Issuer) => string];

const now = () => Math.floor(Date.now() / 1000);
const none = () => Buffer.alloc(0);
const answerTypes = [TYPE.PUBACK, TYPE.PUBLISH];

/** HMAC with what everybody knows: whoever takes the algorithm from the token checks it with the public key. */
const confused = (secretOf: (issuer: Issuer) => string | Buffer) => (issuer: Issuer) =>
  compose({ ...issuer.header, alg: 'HS256' }, issuer.claims({}), hmac(secretOf(issuer)));
const der = (type: 'spki' | 'pkcs1') => (issuer: Issuer) => issuer.publicKey.export({ type, format: 'der' });

const keys: Row[] = [
  ['nothing', () => ''],
  ['garbage', () => 'garbage'],
  ['dots', () => '...'],
  ['five parts (encrypted)', ({ signed, claims }) => `${signed(claims({}))}.a.b`],
  ['alg none', ({ header, claims }) => compose({ ...header, alg: 'none' }, claims({}), none)],
  ['alg nOnE', ({ header, claims }) => compose({ ...header, alg: 'nOnE' }, claims({}), none)],
  ['no alg', ({ header, claims }) => compose({ ...header, alg: undefined }, claims({}), none)],
  [
    'alg none and a signature',
    ({ header, claims, signed }) =>
      `${compose({ ...header, alg: 'none' }, claims({}), none)}${signed(claims({})).split('.')[2]}`,
  ],
  ['a good header and no signature', ({ header, claims }) => compose(header, claims({}), none)],
  ['a signature of zeros', ({ header, claims }) => compose(header, claims({}), () => Buffer.alloc(256))],
  ['HMAC with the public key', confused(({ pem }) => pem)],
  ['HMAC with the public key, trimmed', confused(({ pem }) => pem.trim())],
  ['HMAC with the public key as Windows has it', confused(({ pem }) => pem.replaceAll('\n', '\r\n'))],
  [
    'HMAC with the public key in PKCS 1',
    confused((issuer) => issuer.publicKey.export({ type: 'pkcs1', format: 'pem' })),
  ],
  ['HMAC with the public key in DER', confused(der('spki'))],
  ['HMAC with the public key in DER of PKCS 1', confused(der('pkcs1'))],
  ['HMAC with the public key as JWK', confused((issuer) => json(issuer.publicKey.export({ format: 'jwk' })))],
  [
    'HMAC with the modulus',
    confused((issuer) => Buffer.from(issuer.publicKey.export({ format: 'jwk' }).n ?? '', 'base64url')),
  ],
  ['HMAC with nothing', confused(() => '')],
  ['a key of an attacker', ({ forged, claims }) => forged(claims({}))],
  [
    'a key that it brings (jwk)',
    ({ forged, claims, attackersJwk }) => forged(claims({}), { jwk: attackersJwk }),
  ],
  ['a key that it has us fetch (jku)', ({ forged, claims, trapUrl }) => forged(claims({}), { jku: trapUrl })],
  [
    'a certificate that it has us fetch (x5u)',
    ({ forged, claims, trapUrl }) => forged(claims({}), { x5u: trapUrl }),
  ],
  ['an address as kid', ({ forged, claims, trapUrl }) => forged(claims({}), { kid: trapUrl })],
  [
    'a good signature, and a key that it has us fetch',
    ({ signed, claims, trapUrl }) => signed(claims({}), { jku: trapUrl }),
  ],
  [
    'an extension that we have to know (crit)',
    ({ signed, claims }) => signed(claims({}), { crit: ['b64'], b64: false }),
  ],
  [
    'the claims of another token',
    ({ signed, claims }) => {
      const [header, , signature] = signed(claims({ role: 'RIDER' })).split('.');
      return [header, signed(claims({})).split('.')[1], signature].join('.');
    },
  ],
];

/** Signed as they should be. */
const claims: Row[] = (
  [
    ['expired', { exp: now() - 1 }],
    ['expired long ago', { exp: 1 }],
    ['valid only in a while', { nbf: now() + 300 }],
    ['without exp', { exp: undefined }],
    ['with exp as text', { exp: String(now() + 600) }],
    ['with exp null', { exp: null }],
    ['with exp beyond all time', { exp: 1e300 }],
    ['of another issuer', { iss: 'https://issuer.example' }],
    ['of an issuer that begins the same', { iss: `${ISSUER}.example` }],
    ['without an issuer', { iss: undefined }],
    ['for somebody else', { aud: 'another' }],
    ['for others', { aud: ['another', `${AUDIENCE}2`] }],
    ['for nobody', { aud: undefined }],
    ['without a role', { role: undefined }],
    ['of an unknown role', { role: 'ADMIN' }],
    ['of a role in small letters', { role: 'service' }],
    ['of two roles', { role: ['DRIVER', 'SERVICE'] }],
    ['of a role by prototype', { role: '__proto__' }],
    ['of a role that is an object', { role: { toString: 'SERVICE' } }],
    ['of nobody', { sub: undefined }],
    ['of an empty sub', { sub: '' }],
    ['of a sub that is a number', { sub: 7 }],
    ['of a sub that is a list', { sub: ['mallory'] }],
    ['of a sub with a slash', { sub: 'a/location' }],
    ['of a sub that is +', { sub: '+' }],
    ['of a sub that is #', { sub: '#' }],
    ['of a sub with NUL', { sub: 'a\0' }],
    ['of a sub with a line break', { sub: 'a\n' }],
    ['of a sub with a letter of Greek', { sub: 'αdmin' }],
    ['of a sub of 65 characters', { sub: 'a'.repeat(65) }],
    ['of a guest of no trip', { role: 'VIEWER' }],
    ['of a guest of every trip', { role: 'VIEWER', trips: ['+'] }],
    ['of a guest of a list that is none', { role: 'VIEWER', trips: 'x' }],
    ['that names itself with nothing', { jti: '' }],
    ['of 9,000 characters', { padding: 'x'.repeat(6600) }],
  ] as [string, object][]
).map(([name, fields]) => [name, (issuer) => issuer.signed(issuer.claims(fields))]);

const noClaims: Row[] = [
  ['a list', (issuer) => issuer.signed([issuer.claims({})])],
  ['a text', (issuer) => issuer.signed('"x"')],
  ['null', (issuer) => issuer.signed('null')],
  ['half of JSON', (issuer) => issuer.signed('{"sub":')],
  ['nested 5,000 deep', (issuer) => issuer.signed('['.repeat(2500) + ']'.repeat(2500))],
];

/** A key set is looked up by kid: a name in it, and nothing else. */
const kids: Row[] = (
  [
    ['unknown', 'key-2'],
    ['empty', ''],
    ['a path', '../../../../etc/passwd'],
    ['a device', '/dev/null'],
    ['SQL', "key-1' union select 'secret' --"],
    ['a command', '| touch /tmp/x'],
    ['NUL', 'key-1\0'],
    ['a prototype', '__proto__'],
    ['of an object', 'constructor'],
    ['a list', ['key-1']],
    ['an object', { toString: 'key-1' }],
    ['a number', 1],
    ['null', null],
  ] as [string, unknown][]
).flatMap(([name, kid]) => [
  [`${name}, signed`, (issuer: Issuer) => issuer.signed(issuer.claims({}), { kid })],
  [
    `${name}, with the empty secret`,
    (issuer: Issuer) => compose({ alg: 'HS256', kid }, issuer.claims({}), hmac('')),
  ],
]);

describe.each([
  [
    'the keys of an address',
    (issuer: Issuer) => ({ JWT_JWKS_URL: issuer.jwksUrl }),
    [...keys, ...claims, ...noClaims, ...kids],
  ],
  [
    'the key of a file',
    (issuer: Issuer) => ({ JWT_PUBLIC_KEY_FILE: issuer.publicKeyFile }),
    [...keys, ...claims.slice(0, 1)],
  ],
] as const)('where %s hold, a token that is', (_name, keyOf, rows) => {
  let issuer: Issuer;
  let stage: AbuseStage;
  /** One that is let in, and is sent each of them as a fresh one. */
  let session: RawConnection;

  beforeAll(async () => {
    issuer = await createIssuer();
    stage = await AbuseStage.open(
      { JWT_SECRET: '', ...keyOf(issuer), JWT_ISSUER: ISSUER, JWT_AUDIENCE: AUDIENCE },
      issuer.makeToken,
    );
    stage.hidePlace(place);
    session = await loginTcp(stage.fleet.platform.ports.mqtt, {
      token: await stage.token('DRIVER', 'mallory'),
    });
    session.send(encode.subscribe(1, [['drivers/mallory/errors', 0]]));
    await session.next(TYPE.SUBACK);
  });
  afterAll(async () => {
    session?.end();
    await stage?.close();
    await issuer?.close();
  });

  const rest = async (method: string, path: string, headers: Record<string, string>, body?: string) => {
    const response = await fetch(`${stage.fleet.platform.urls.rest}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    stage.expectDiscreet(text);
    return [response.status, response.headers.has('www-authenticate')];
  };

  /** What it is told at every door. */
  async function tried(token: string): Promise<Record<string, unknown>> {
    const { platform } = stage.fleet;
    const authorization = `Bearer ${token}`;
    const basic = `Basic ${Buffer.from(`mallory:${token}`).toString('base64')}`;
    const raw = openTcp(platform.ports.mqtt);
    raw.send(encode.connect({ token, will: { topic: 'drivers/victim/location', payload: json(place) } }));
    raw.send(encode.publish('drivers/victim/location', json(place), { qos: 1 }));
    session.send(encode.publish('session/token', token, { qos: 1, id: 9 }));
    const [ws, post, live, osmand, owntracks] = await Promise.all([
      connectClient(platform.urls.ws, token).then(
        () => 'let in',
        ({ code }: { code: number }) => code,
      ),
      rest('POST', '/v1/drivers/victim/location', { authorization }, json(place)),
      rest('GET', `/v1/trips/${stage.bystander.tripId}/live`, { authorization }),
      rest('POST', '/osmand?id=victim&lat=47.1&lon=11.1', { authorization: basic }),
      rest(
        'POST',
        '/owntracks',
        { authorization },
        json({ _type: 'location', lat: 47.1, lon: 11.1, tst: now() }),
      ),
    ]);
    await raw.closed;
    const answers = [await session.next(...answerTypes), await session.next(...answerTypes)];
    const reports = answers.filter(({ type }) => type === TYPE.PUBLISH);
    return {
      tcp: raw.received.map(({ type, body }) => [type, body[1]]),
      ws,
      post,
      live,
      osmand,
      owntracks,
      reports: reports.map((packet) => (decodePublish(packet).payload as ErrorMessage).code),
    };
  }

  const refusedEverywhere = {
    tcp: [[TYPE.CONNACK, 4]],
    ws: 4,
    post: [401, true],
    live: [401, true],
    osmand: [401, true],
    owntracks: [401, true],
  };

  test.each(rows)('%s is refused at every door', async (_row, make) => {
    expect(await tried(stage.hide(make(issuer)))).toEqual({ ...refusedEverywhere, reports: ['FORBIDDEN'] });
  });

  test('valid, but 60 or 65 kB long, is refused before it is looked at', async () => {
    const { ports, urls } = stage.fleet.platform;
    const large = stage.hide(issuer.signed(issuer.claims({ padding: 'x'.repeat(45_000) })));
    const raw = openTcp(ports.mqtt);
    raw.send(encode.connect({ token: large }));
    await raw.closed;
    expect(raw.received.map(({ type, body }) => [type, body[1]])).toEqual([[TYPE.CONNACK, 4]]);
    // The longest that a CONNECT can hold
    const room = 65_532 - issuer.signed(issuer.claims({ padding: '' })).length;
    const larger = stage.hide(issuer.signed(issuer.claims({ padding: 'x'.repeat((room * 3) / 4) })));
    expect(larger.length).toBeGreaterThan(65_525);
    const tooLarge = openTcp(ports.mqtt);
    tooLarge.send(encode.connect({ token: larger }));
    await tooLarge.closed;
    expect(tooLarge.received).toEqual([]);
    for (const token of [large, larger]) {
      const headers = { authorization: `Bearer ${token}` };
      expect((await fetch(`${urls.rest}/v1/trips`, { headers })).status).toBe(431);
    }
  });

  test('good is let in, by the same ways', async () => {
    const good = stage.hide(issuer.signed(issuer.claims({ sub: 'service-1' })));
    const authorization = `Bearer ${good}`;
    expect(await rest('GET', '/v1/drivers/victim/history', { authorization })).toEqual([200, false]);
    const client = await connectClient(stage.fleet.platform.urls.ws, good);
    await client.end();
  });

  test('refused has left no trace, and nobody was asked for a key but who is configured', async () => {
    expect(await stage.delivered()).toEqual([]);
    expect(await stage.fleet.history('victim')).toEqual([]);
    expect(issuer.trapped).toEqual([]);
  });
});
