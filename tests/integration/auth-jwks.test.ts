import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import jwt from 'jsonwebtoken';
import { createJwksSource } from '../../shared/auth/jwks.ts';
import { TokenError, type TokenErrorReason } from '../../shared/auth/token-error.ts';
import { createTokenVerifier, type TokenVerifier, tokenVerifier } from '../../shared/auth/verify.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });

type Pair = { publicKey: KeyObject; privateKey: KeyObject };

const jwk = ({ publicKey }: Pair, more: object) => ({ ...publicKey.export({ format: 'jwk' }), ...more });

const claims = { sub: 'driver-1', role: 'DRIVER', exp: Math.floor(Date.now() / 1000) + 3_600 };

function tokenOf({ privateKey }: Pair, kid: string | undefined): string {
  const algorithm = privateKey.asymmetricKeyType === 'rsa' ? 'RS256' : 'ES256';
  return jwt.sign(claims, privateKey, { algorithm, ...(kid === undefined ? {} : { keyid: kid }) });
}

/** An identity provider's key set on a port of its own, which counts what it is asked. */
async function startProvider() {
  const provider = {
    keys: [] as object[],
    paths: [] as (string | undefined)[],
    answer: (response: ServerResponse) => {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: provider.keys }));
    },
    url: '',
    async stop() {
      server.closeAllConnections();
      server.close();
      if (server.listening) await once(server, 'close');
    },
    async restart() {
      server.listen(Number(new URL(provider.url).port), '127.0.0.1');
      await once(server, 'listening');
    },
  };
  const server = createServer((request, response) => {
    provider.paths.push(request.url);
    // No connection outlives its answer: stopping the server then is what it is when a host dies.
    response.setHeader('connection', 'close');
    provider.answer(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  provider.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
  return provider;
}

let provider: Awaited<ReturnType<typeof startProvider>>;
let problems: Error[];
/** Milliseconds. */
let clock: number;
let verifier: TokenVerifier;

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;

beforeEach(async () => {
  provider = await startProvider();
  provider.keys = [jwk(rsa, { kid: 'rsa-1', use: 'sig', alg: 'RS256' }), jwk(ec, { kid: 'ec-1' })];
  problems = [];
  clock = 0;
  const source = createJwksSource(provider.url, {
    now: () => clock,
    onProblem: (error) => problems.push(error),
  });
  verifier = tokenVerifier(source, {});
});

afterEach(() => provider.stop());

async function verdict(token: string): Promise<'accepted' | TokenErrorReason> {
  try {
    await verifier.verify(token);
    return 'accepted';
  } catch (error) {
    if (error instanceof TokenError) return error.reason;
    throw error;
  }
}

const requests = () => provider.paths.length;

/** A refresh that nobody waited for has ended, one way or the other. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('the key set is cached', () => {
  test('a hundred tokens at once and a hundred later cost one request', async () => {
    const tokens = Array.from({ length: 100 }, (_, i) =>
      i % 2 ? tokenOf(rsa, 'rsa-1') : tokenOf(ec, 'ec-1'),
    );
    for (const _round of [1, 2])
      expect(new Set(await Promise.all(tokens.map(verdict)))).toEqual(new Set(['accepted']));
    expect(requests()).toBe(1);
  });

  test('by the settings alone', async () => {
    const bySettings = await createTokenVerifier({ jwksUrl: provider.url, dataDir: 'unused' });
    expect(await bySettings.verify(tokenOf(rsa, 'rsa-1'))).toMatchObject({ sub: 'driver-1' });
  });

  test('for ten minutes', async () => {
    await verdict(tokenOf(rsa, 'rsa-1'));
    clock = 10 * minute - 1;
    await verdict(tokenOf(rsa, 'rsa-1'));
    expect(requests()).toBe(1);
    clock = 10 * minute;
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('accepted');
    expect(requests()).toBe(2);
  });
});

describe('rotation', () => {
  test('a new kid is accepted as soon as it is published', async () => {
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('accepted');
    provider.keys.push(jwk(otherRsa, { kid: 'rsa-2' }));
    clock = 5 * second;
    expect(await verdict(tokenOf(otherRsa, 'rsa-2'))).toBe('accepted');
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('accepted');
    expect(requests()).toBe(2);
  });

  test('a withdrawn key ends with the next fetch', async () => {
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('accepted');
    provider.keys = [jwk(otherRsa, { kid: 'rsa-2' })];
    clock = 10 * minute;
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('unknown-key');
  });

  test('a kid that now names another key', async () => {
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('accepted');
    provider.keys = [jwk(otherRsa, { kid: 'rsa-1' })];
    clock = 10 * minute;
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('signature');
    expect(await verdict(tokenOf(otherRsa, 'rsa-1'))).toBe('accepted');
  });
});

describe('unknown kids', () => {
  test('a flood of them costs one request per five seconds', async () => {
    const flood = () =>
      Promise.all(Array.from({ length: 50 }, (_, i) => verdict(tokenOf(ec, `invented-${i}`))));
    for (let round = 0; round < 10; round++) {
      expect(new Set(await flood())).toEqual(new Set(['unknown-key']));
      clock += second;
    }
    expect(requests()).toBe(2);
    expect(await verdict(tokenOf(ec, 'ec-1'))).toBe('accepted');
  });

  test.each([
    '../../etc/passwd',
    '/jwks.json?kid=1',
    "' OR 1=1 --",
    'a\0b',
    '__proto__',
    '',
    'http://attacker.example/',
  ])('%j is only ever compared', async (kid) => {
    expect(await verdict(tokenOf(ec, kid))).toBe('unknown-key');
    expect(provider.paths).toEqual(['/jwks.json']);
  });

  test('a token without kid is refused without asking', async () => {
    expect(await verdict(tokenOf(ec, undefined))).toBe('unknown-key');
    expect(requests()).toBe(0);
  });
});

describe('the key decides about the algorithm', () => {
  test('a key for another use or algorithm, without kid, too small, or private, is not used', async () => {
    const small = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    provider.keys = [
      jwk(ec, { kid: 'good' }),
      jwk(rsa, { kid: 'enc', use: 'enc' }),
      jwk(rsa, { kid: 'rs512', alg: 'RS512' }),
      jwk(rsa, { kid: 'ps256', alg: 'PS256' }),
      jwk(rsa, { kid: 'oaep', alg: 'RSA-OAEP-256' }),
      jwk(rsa, { kid: 'hs256', alg: 'HS256' }),
      jwk(ec, { kid: 'ec-as-rs256', alg: 'RS256' }),
      jwk(rsa, {}),
      jwk(small, { kid: 'small' }),
      jwk(p384, { kid: 'p384' }),
      { ...rsa.privateKey.export({ format: 'jwk' }), kid: 'private' },
      { kty: 'oct', kid: 'oct', k: Buffer.alloc(32, 1).toString('base64url') },
      { kty: 'OKP', kid: 'okp', crv: 'Ed25519', x: 'AAAA' },
      { kid: 'nothing' },
    ];
    expect(await verdict(tokenOf(ec, 'good'))).toBe('accepted');
    for (const kid of ['enc', 'rs512', 'ps256', 'oaep', 'hs256', 'private', 'oct', 'okp', 'nothing'])
      expect([kid, await verdict(tokenOf(rsa, kid))]).toEqual([kid, 'unknown-key']);
    for (const kid of ['ec-as-rs256', 'small', 'p384'])
      expect([kid, await verdict(tokenOf(ec, kid))]).toEqual([kid, 'unknown-key']);
    expect(problems).toEqual([]);
  });

  test('HS256 with the public key as the secret, and an algorithm of another key type', async () => {
    const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' });
    const secret = Buffer.from(pem as string);
    expect(await verdict(jwt.sign(claims, secret, { algorithm: 'HS256', keyid: 'rsa-1' }))).toBe('algorithm');
    expect(await verdict(tokenOf(ec, 'rsa-1'))).toBe('algorithm');
    expect(await verdict(tokenOf(rsa, 'ec-1'))).toBe('algorithm');
    expect(await verdict(tokenOf(otherRsa, 'rsa-1'))).toBe('signature');
  });
});

describe('the server is down', () => {
  test('known keys go on, and unknown ones can not be checked now', async () => {
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('accepted');
    await provider.stop();
    clock = 11 * minute;
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('accepted');
    expect(await verdict(tokenOf(otherRsa, 'rsa-2'))).toBe('unavailable');
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toMatch(/ECONNREFUSED/);

    await provider.restart();
    provider.keys.push(jwk(otherRsa, { kid: 'rsa-2' }));
    expect(await verdict(tokenOf(otherRsa, 'rsa-2'))).toBe('unavailable');
    clock += 5 * second;
    expect(await verdict(tokenOf(otherRsa, 'rsa-2'))).toBe('accepted');
  });

  test('from the start: it is asked again after five seconds', async () => {
    await provider.stop();
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('unavailable');
    await provider.restart();
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('unavailable');
    clock = 5 * second;
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('accepted');
  });

  test('once it is known to be down, known keys wait for nothing', async () => {
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('accepted');
    provider.answer = (response) => void response.writeHead(503).end();
    clock = 10 * minute;
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('accepted');
    expect(problems).toHaveLength(1);

    const held: ServerResponse[] = [];
    provider.answer = (response) => void held.push(response);
    clock += 5 * second;
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('accepted');
    await until(() => held.length === 1);
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('accepted');
    held[0]?.writeHead(503).end();
    await until(() => problems.length === 2);
  });

  test('after a day without an answer the keys end', async () => {
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('accepted');
    await provider.stop();
    clock = 24 * hour - 1;
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('accepted');
    clock = 24 * hour;
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('unavailable');
  });
});

describe('an answer that is no key set is as none', () => {
  const answers: [string, (response: ServerResponse) => void, RegExp][] = [
    ['an error', (response) => void response.writeHead(500).end('oops'), /status 500/],
    ['a redirect', (response) => void response.writeHead(302, { location: '/elsewhere' }).end(), /redirect/],
    ['HTML', (response) => void response.end('<html>'), /JSON/],
    ['null', (response) => void response.end('null'), /key set/],
    ['an object', (response) => void response.end('{}'), /key set/],
    ['no keys', (response) => void response.end('{"keys":[]}'), /no RSA/],
    ['null for a key', (response) => void response.end('{"keys":[null]}'), /key set/],
    [
      'only keys of no use',
      (response) => void response.end(JSON.stringify({ keys: [jwk(rsa, {})] })),
      /no RSA/,
    ],
    ['two megabytes', (response) => void response.end(' '.repeat(2_097_152)), /larger than/],
    [
      'half an answer',
      (response) =>
        void response.writeHead(200, { 'content-length': 100 }).write('{', () => response.destroy()),
      /key set/,
    ],
  ];

  test.each(answers)('%s', async (_name, answer, message) => {
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('accepted');
    provider.answer = answer;
    clock = 10 * minute;
    expect(await verdict(tokenOf(otherRsa, 'rsa-2'))).toBe('unavailable');
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('accepted');
    expect(problems.map((problem) => problem.message)).toEqual([expect.stringMatching(message)]);
  });

  test('a server that never ends its answer is left after five seconds', async () => {
    provider.answer = (response) => void response.writeHead(200).write('{');
    const start = performance.now();
    expect(await verdict(tokenOf(rsa, 'rsa-1'))).toBe('unavailable');
    expect(performance.now() - start).toBeGreaterThan(4_900);
    expect(performance.now() - start).toBeLessThan(15_000);
  }, 20_000);
});
