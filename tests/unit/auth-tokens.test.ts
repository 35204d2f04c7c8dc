import {
  createHmac,
  createSecretKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
} from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import jwt from 'jsonwebtoken';
import { createTokenSigner, NoSigningKeyError } from '../../shared/auth/sign.ts';
import { TokenError, type TokenErrorReason } from '../../shared/auth/token-error.ts';
import { publicVerificationKey, type VerificationKey } from '../../shared/auth/verification-key.ts';
import { createTokenVerifier, MAX_TOKEN_LENGTH, tokenVerifier } from '../../shared/auth/verify.ts';

const secret = 'thirty-two bytes and then a few more';
const settings = { secret, dataDir: 'unused' };
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const nowSeconds = () => Math.floor(Date.now() / 1000);
const claims = (more: object = {}) => ({ sub: 'driver-1', role: 'DRIVER', exp: nowSeconds() + 60, ...more });
const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

const verifierOf = (key: KeyObject) =>
  tokenVerifier({ find: () => publicVerificationKey(key) as VerificationKey }, {});
const hsVerifier = tokenVerifier(
  { find: () => ({ key: createSecretKey(secret, 'utf8'), algorithm: 'HS256' }) },
  {},
);
const rsVerifier = verifierOf(rsa.publicKey);
const esVerifier = verifierOf(ec.publicKey);

/** A token of any header and payload, with a good HS256 signature. */
function hmacToken(header: unknown, payload: unknown, key: string | Buffer = secret): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`;
}

async function reasonOf(verdict: Promise<unknown>): Promise<TokenErrorReason> {
  const error: unknown = await verdict.then(
    () => new Error('the token was accepted'),
    (reason: unknown) => reason,
  );
  if (error instanceof TokenError) return error.reason;
  throw error;
}

const hs256 = { alg: 'HS256', typ: 'JWT' };

describe('a token that is made is accepted', () => {
  test('HS256, by the signer of the same settings', async () => {
    const signer = await createTokenSigner(settings);
    const verifier = await createTokenVerifier(settings);
    const token = signer.sign({ sub: 'guest', role: 'VIEWER', trips: ['trip-1'], ttlSeconds: 60 });
    const identity = await verifier.verify(token);
    expect(identity).toEqual({
      sub: 'guest',
      role: 'VIEWER',
      expiresAt: expect.any(Number),
      tokenId: expect.any(String),
      trips: ['trip-1'],
    });
    expect(identity.expiresAt - Date.now()).toBeGreaterThan(58_000);
    expect(identity.expiresAt - Date.now()).toBeLessThanOrEqual(60_000);
  });

  test('with issuer and audience', async () => {
    const strict = { ...settings, issuer: 'https://id.example', audience: 'fleetcast' };
    const token = (await createTokenSigner(strict)).sign({ sub: 'd', role: 'DRIVER', ttlSeconds: 60 });
    expect(await (await createTokenVerifier(strict)).verify(token)).toMatchObject({ sub: 'd' });
  });

  test('two tokens never have the same jti', async () => {
    const signer = await createTokenSigner(settings);
    const request = { sub: 'd', role: 'DRIVER', ttlSeconds: 60 } as const;
    const ids = [signer.sign(request), signer.sign(request)].map(
      (token) => jwt.decode(token, { json: true })?.jti,
    );
    expect(new Set(ids).size).toBe(2);
  });

  test('RS256 and ES256', async () => {
    const rs = jwt.sign(claims(), rsa.privateKey, { algorithm: 'RS256', keyid: 'any' });
    const es = jwt.sign(claims(), ec.privateKey, { algorithm: 'ES256' });
    expect(await rsVerifier.verify(rs)).toMatchObject({ sub: 'driver-1', role: 'DRIVER' });
    expect(await esVerifier.verify(es)).toMatchObject({ sub: 'driver-1', role: 'DRIVER' });
  });

  test('whatever its typ', async () => {
    expect(await hsVerifier.verify(hmacToken({ alg: 'HS256', typ: 'at+jwt' }, claims()))).toBeTruthy();
    expect(await hsVerifier.verify(hmacToken({ alg: 'HS256' }, claims()))).toBeTruthy();
  });
});

describe('the algorithm is the one of the key', () => {
  const rsaPem = rsa.publicKey.export({ type: 'spki', format: 'pem' });

  test.each([
    ['PEM', rsaPem],
    ['trimmed PEM', rsaPem.toString().trim()],
    ['DER', rsa.publicKey.export({ type: 'spki', format: 'der' })],
  ])('HS256 signed with the public key as %s', async (_form, key) => {
    expect(await reasonOf(rsVerifier.verify(hmacToken(hs256, claims(), key)))).toBe('algorithm');
  });

  test.each(['none', 'None', 'NONE', '', 'hs256', 'HS384', 'HS512', 'RS256', null, 1, ['HS256'], undefined])(
    'alg %j for a secret',
    async (alg) => {
      const token = hmacToken({ alg, typ: 'JWT' }, claims());
      const unsigned = token.slice(0, token.lastIndexOf('.') + 1);
      expect(await reasonOf(hsVerifier.verify(token))).toBe('algorithm');
      expect(await reasonOf(hsVerifier.verify(unsigned))).toBe('algorithm');
      expect(await reasonOf(rsVerifier.verify(unsigned))).toMatch(/algorithm|signature/);
    },
  );

  test.each(['RS384', 'RS512', 'PS256'] as const)('%s with the right RSA key', async (algorithm) => {
    const token = jwt.sign(claims(), rsa.privateKey, { algorithm });
    expect(await reasonOf(rsVerifier.verify(token))).toBe('algorithm');
  });

  test('ES256 for an RSA key and RS256 for an EC key', async () => {
    const rs = jwt.sign(claims(), rsa.privateKey, { algorithm: 'RS256' });
    const es = jwt.sign(claims(), ec.privateKey, { algorithm: 'ES256' });
    expect(await reasonOf(rsVerifier.verify(es))).toBe('algorithm');
    expect(await reasonOf(esVerifier.verify(rs))).toBe('algorithm');
  });
});

describe('a token that brings its own key', () => {
  const attacker = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ownKeys: Record<string, unknown>[] = [
    { jwk: attacker.publicKey.export({ format: 'jwk' }) },
    { jku: 'https://attacker.example/jwks.json' },
    { x5u: 'https://attacker.example/cert.pem' },
    { x5c: ['MIIB'] },
    { crit: ['exp'] },
  ];

  test.each(ownKeys)('%j', async (parameter) => {
    const input = `${encode({ alg: 'RS256', typ: 'JWT', ...parameter })}.${encode(claims())}`;
    for (const { privateKey } of [attacker, rsa]) {
      const token = `${input}.${signBytes('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
      expect(await reasonOf(rsVerifier.verify(token))).toBe('algorithm');
    }
  });
});

describe('signatures', () => {
  test('of another key', async () => {
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
    expect(await reasonOf(hsVerifier.verify(hmacToken(hs256, claims(), 'another secret')))).toBe('signature');
    const token = jwt.sign(claims(), other.privateKey, { algorithm: 'RS256' });
    expect(await reasonOf(rsVerifier.verify(token))).toBe('signature');
  });

  test('of another payload', async () => {
    const [header, , signature] = hmacToken(hs256, claims()).split('.');
    const forged = `${header}.${encode(claims({ role: 'SERVICE' }))}.${signature}`;
    expect(await reasonOf(hsVerifier.verify(forged))).toBe('signature');
  });

  test('missing, cut short, or too long', async () => {
    for (const [verifier, token] of [
      [hsVerifier, hmacToken(hs256, claims())],
      [esVerifier, jwt.sign(claims(), ec.privateKey, { algorithm: 'ES256' })],
    ] as const) {
      expect(await reasonOf(verifier.verify(token.slice(0, token.lastIndexOf('.') + 1)))).toBe('signature');
      expect(await reasonOf(verifier.verify(token.slice(0, -4)))).toMatch(/signature|malformed/);
      expect(await reasonOf(verifier.verify(`${token}AAAA`))).toMatch(/signature|malformed/);
    }
  });

  test('of zeros (an ECDSA signature with r = s = 0)', async () => {
    const token = `${encode({ alg: 'ES256' })}.${encode(claims())}.${Buffer.alloc(64).toString('base64url')}`;
    expect(await reasonOf(esVerifier.verify(token))).toBe('signature');
  });
});

describe('time', () => {
  test('expired, also within the second', async () => {
    const at = Date.now() / 1000;
    expect(await reasonOf(hsVerifier.verify(hmacToken(hs256, claims({ exp: at - 0.001 }))))).toBe('expired');
    expect(await reasonOf(hsVerifier.verify(hmacToken(hs256, claims({ exp: nowSeconds() }))))).toBe(
      'expired',
    );
    expect(await reasonOf(hsVerifier.verify(hmacToken(hs256, claims({ exp: 0 }))))).toBe('expired');
  });

  test('nbf ahead', async () => {
    const token = hmacToken(hs256, claims({ nbf: nowSeconds() + 2 }));
    expect(await reasonOf(hsVerifier.verify(token))).toBe('not-yet-valid');
  });

  test('nbf in the past', async () => {
    expect(await hsVerifier.verify(hmacToken(hs256, claims({ nbf: nowSeconds() - 1 })))).toBeTruthy();
  });

  test.each([
    ['no exp', { exp: undefined }],
    ['exp as text', { exp: '2000000000' }],
    ['exp null', { exp: null }],
    ['nbf as text', { nbf: '1' }],
    ['nbf null', { nbf: null }],
  ])('%s', async (_name, more) => {
    expect(await reasonOf(hsVerifier.verify(hmacToken(hs256, claims(more))))).toBe('claims');
  });
});

describe('issuer and audience', () => {
  const verifier = createTokenVerifier({ ...settings, issuer: 'https://id.example', audience: 'fleetcast' });
  const verdict = async (more: object) => (await verifier).verify(hmacToken(hs256, claims(more)));

  test('accepted when they fit', async () => {
    expect(await verdict({ iss: 'https://id.example', aud: 'fleetcast' })).toBeTruthy();
    expect(await verdict({ iss: 'https://id.example', aud: ['other', 'fleetcast'] })).toBeTruthy();
  });

  test.each([
    ['no iss', { aud: 'fleetcast' }],
    ['another iss', { iss: 'https://id.example/', aud: 'fleetcast' }],
    ['iss as an array', { iss: ['https://id.example'], aud: 'fleetcast' }],
    ['no aud', { iss: 'https://id.example' }],
    ['another aud', { iss: 'https://id.example', aud: 'fleetcast2' }],
    ['other auds', { iss: 'https://id.example', aud: ['a', 'b'] }],
    ['aud as an object', { iss: 'https://id.example', aud: { 0: 'fleetcast' } }],
  ])('%s', async (_name, more) => {
    expect(await reasonOf(verdict(more))).toBe('claims');
  });

  test('not asked for when not set', async () => {
    expect(await hsVerifier.verify(hmacToken(hs256, claims({ iss: 'x', aud: 'y' })))).toBeTruthy();
  });
});

describe('a signed token with claims that break the rules', () => {
  test.each([
    ['role as an array', { role: ['DRIVER'] }],
    ['role unknown', { role: 'ROOT' }],
    ['role missing', { role: undefined }],
    ['sub with /', { sub: 'a/b' }],
    ['sub with +', { sub: '+' }],
    ['sub with #', { sub: '#' }],
    ['sub with NUL', { sub: 'a\0' }],
    ['sub of 65 characters', { sub: 'a'.repeat(65) }],
    ['a viewer without trips', { role: 'VIEWER' }],
  ])('%s', async (_name, more) => {
    expect(await reasonOf(hsVerifier.verify(hmacToken(hs256, claims(more))))).toBe('claims');
  });

  test.each([
    ['a text', '"driver"'],
    ['a number', '1'],
    ['null', 'null'],
    ['an array', '[]'],
    ['no JSON', '{'],
    ['nested 3,000 deep', '['.repeat(3_000)],
  ])('a payload that is %s', async (_name, payload) => {
    for (const header of [hs256, { alg: 'HS256' }])
      expect(await reasonOf(hsVerifier.verify(hmacToken(header, payload)))).toMatch(
        /malformed|claims|signature/,
      );
  });
});

describe('what is no token', () => {
  test.each([
    '',
    '.',
    '..',
    'a.b',
    'a.b.c',
    'a.b.c.d',
    'Bearer x.y.z',
    ' ',
    '\0',
    `${encode('[]')}.e30.AAAA`,
    `${encode('null')}.e30.AAAA`,
    `${encode({ alg: 'HS256', kid: 1 })}.e30.AAAA`,
    `${encode({ alg: 'HS256', kid: { a: 1 } })}.e30.AAAA`,
    `${hmacToken(hs256, claims())}\n`,
    `${hmacToken(hs256, claims())}=`,
  ])('%j', async (token) => {
    expect(await reasonOf(hsVerifier.verify(token))).toBe('malformed');
  });

  test('a valid token of 64 kB', async () => {
    const token = hmacToken(hs256, claims({ padding: 'x'.repeat(48_000) }));
    expect(token.length).toBeGreaterThan(64_000);
    expect(await reasonOf(hsVerifier.verify(token))).toBe('too-long');
  });

  test('the greatest length is accepted, one more is not', async () => {
    const overhead = hmacToken(hs256, claims({ padding: '' })).length;
    const token = (size: number) => hmacToken(hs256, claims({ padding: 'x'.repeat(size) }));
    const fits = Math.floor(((MAX_TOKEN_LENGTH - overhead) * 3) / 4);
    expect(await hsVerifier.verify(token(fits - 2))).toBeTruthy();
    expect(await reasonOf(hsVerifier.verify(token(fits + 4)))).toBe('too-long');
  });

  test('a message never holds anything of the token', async () => {
    const canary = 'canary-a7f3';
    const tokens = [
      canary,
      hmacToken({ alg: canary }, claims()),
      hmacToken({ ...hs256, jku: canary }, claims()),
      hmacToken(hs256, claims({ role: canary })),
      hmacToken(hs256, claims({ sub: `${canary}/` })),
      hmacToken(hs256, `{"sub":"${canary}`),
      `${encode(`{"${canary}`)}.e30.AAAA`,
    ];
    for (const token of tokens) {
      const error = await hsVerifier.verify(token).catch((reason: unknown) => reason as TokenError);
      expect(error).toBeInstanceOf(TokenError);
      expect(`${(error as TokenError).stack} ${String((error as TokenError).cause)}`).not.toContain(canary);
    }
  });
});

describe('tokens are made only with a secret', () => {
  const request = { sub: 'd', role: 'DRIVER', ttlSeconds: 60 } as const;

  test.each([
    [{ publicKeyFile: 'key.pem', dataDir: '.' }, /JWT_PUBLIC_KEY_FILE.*identity provider/],
    [{ jwksUrl: 'https://id.example/jwks', dataDir: '.' }, /JWT_JWKS_URL.*identity provider/],
  ])('%j', async (publicOnly, message) => {
    const signer = await createTokenSigner(publicOnly);
    expect(() => signer.sign(request)).toThrow(NoSigningKeyError);
    expect(() => signer.sign(request)).toThrow(message);
  });

  test.each([
    ['a bad sub', { ...request, sub: 'a/b' }],
    ['a viewer without trips', { ...request, role: 'VIEWER' as const }],
    ['a ttl beyond all time', { ...request, ttlSeconds: 1e15 }],
    ['a ttl that is no number', { ...request, ttlSeconds: Number.NaN }],
  ])('never one that the verifier would refuse: %s', async (_name, bad) => {
    const signer = await createTokenSigner(settings);
    expect(() => signer.sign(bad)).toThrow(TokenError);
  });
});
