import { createSecretKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import jwt from 'jsonwebtoken';
import { TokenError } from '../../shared/auth/token-error.ts';
import { type TokenVerifier, tokenVerifier } from '../../shared/auth/verify.ts';

const secret = createSecretKey(Buffer.alloc(32, 7));
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const claims = { sub: 'driver-1', role: 'DRIVER', exp: Math.floor(Date.now() / 1000) + 3_600 };

const kinds = (
  [
    ['HS256', secret, secret],
    ['RS256', rsa.publicKey, rsa.privateKey],
    ['ES256', ec.publicKey, ec.privateKey],
  ] as const
).map(([algorithm, key, signingKey]) => ({
  algorithm,
  verifier: tokenVerifier({ find: () => ({ key, algorithm }) }, {}),
  token: jwt.sign(claims, signingKey, { algorithm }),
}));

/** True when it is refused in the one way it may be. */
async function isRefused(verifier: TokenVerifier, token: string): Promise<boolean> {
  try {
    await verifier.verify(token);
    return false;
  } catch (error) {
    if (error instanceof TokenError) return true;
    throw error;
  }
}

const base64urlText = fc.string({
  unit: fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'),
  maxLength: 60,
});
const jsonPart = fc.json().map((text) => Buffer.from(text).toString('base64url'));
const headerPart = fc
  .record(
    {
      alg: fc.constantFrom('none', 'HS256', 'RS256', 'ES256', 'PS256', ''),
      typ: fc.constantFrom('JWT', 'jwt'),
      kid: fc.string(),
    },
    { requiredKeys: [] },
  )
  .map((header) => Buffer.from(JSON.stringify(header)).toString('base64url'));
const tokenLike = fc
  .tuple(fc.oneof(headerPart, jsonPart, base64urlText), fc.oneof(jsonPart, base64urlText), base64urlText)
  .map((parts) => parts.join('.'));

describe.each(kinds)('$algorithm', ({ verifier, token }) => {
  test('the token itself is accepted', async () => {
    expect(await verifier.verify(token)).toMatchObject({ sub: 'driver-1' });
  });

  test('no text is a token', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string({ unit: 'binary', maxLength: 500 }), tokenLike), (text) =>
        isRefused(verifier, text),
      ),
      { numRuns: 500 },
    );
  });

  test('one character replaced, anywhere', async () => {
    const character = fc.oneof(
      base64urlText.filter((text) => text !== '').map((text) => text.charAt(0)),
      fc.string(),
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(token.length - 1), character, async (index, replacement) => {
        const mutated = token.slice(0, index) + replacement + token.slice(index + 1);
        fc.pre(mutated !== token);
        return isRefused(verifier, mutated);
      }),
      { numRuns: 500 },
    );
  });

  test('every spelling of the last character but the right one', async () => {
    for (const last of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_') {
      const mutated = token.slice(0, -1) + last;
      expect(await isRefused(verifier, mutated)).toBe(mutated !== token);
    }
  });

  test('parts cut, doubled, swapped', async () => {
    const place = fc.nat(token.length);
    await fc.assert(
      fc.asyncProperty(place, place, fc.nat(3), async (from, to, times) => {
        const mutated = token.slice(0, from) + token.slice(from, to).repeat(times) + token.slice(to);
        fc.pre(mutated !== token);
        return isRefused(verifier, mutated);
      }),
      { numRuns: 500 },
    );
  });
});
