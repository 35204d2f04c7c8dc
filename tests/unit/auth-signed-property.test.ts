import { createSecretKey } from 'node:crypto';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { roles } from '../../shared/auth/identity.ts';
import { TokenError } from '../../shared/auth/token-error.ts';
import { tokenVerifier } from '../../shared/auth/verify.ts';
import { compose, hmac } from '../support/token-issuer.ts';

const ISSUER = 'https://issuer.test';
const AUDIENCE = 'fleet';
const secret = Buffer.alloc(32, 7);
const verifier = tokenVerifier(
  { find: () => ({ key: createSecretKey(secret), algorithm: 'HS256' }) },
  { issuer: ISSUER, audience: AUDIENCE },
);

const nowSeconds = () => Date.now() / 1000;

type Fields = Record<string, unknown>;

/** SPEC section 4, written down once more. */
function isGood(header: Fields, claims: Fields): boolean {
  const isId = (value: unknown) => typeof value === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(value);
  const { sub, role, exp, nbf, iss, aud, jti, trips } = claims;
  return (
    header.alg === 'HS256' &&
    (header.kid === undefined || typeof header.kid === 'string') &&
    ['jwk', 'jku', 'x5u', 'x5c', 'crit'].every((name) => header[name] === undefined) &&
    isId(sub) &&
    roles.some((known) => known === role) &&
    typeof exp === 'number' &&
    exp > nowSeconds() &&
    exp <= 8.64e12 &&
    (nbf === undefined || (typeof nbf === 'number' && nbf <= nowSeconds())) &&
    iss === ISSUER &&
    (aud === AUDIENCE || (Array.isArray(aud) && aud.includes(AUDIENCE))) &&
    (jti === undefined || (typeof jti === 'string' && jti !== '')) &&
    (role !== 'VIEWER' ||
      (Array.isArray(trips) && trips.length > 0 && trips.length <= 100 && trips.every(isId)))
  );
}

/** Good most of the time: of many fields that are each wrong now and then, all are right often enough. */
const mostly = (good: fc.Arbitrary<unknown>, ...bad: fc.Arbitrary<unknown>[]) =>
  fc.oneof(
    { weight: 30, arbitrary: good },
    { weight: 1, arbitrary: fc.jsonValue() },
    ...bad.map((arbitrary) => ({ weight: 1, arbitrary })),
  );

const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const header = fc.record(
  {
    alg: mostly(fc.constant('HS256'), fc.constantFrom('none', 'hs256', 'HS384', 'RS256', ['HS256'])),
    typ: fc.oneof(fc.constant('JWT'), fc.jsonValue()),
    kid: mostly(fc.string({ unit: 'binary' })),
  },
  { requiredKeys: ['alg'] },
);
const keys = fc.record(
  Object.fromEntries(
    ['jwk', 'jku', 'x5u', 'x5c', 'crit', 'b64', 'zip', 'x'].map((name) => [name, fc.jsonValue()]),
  ),
  { requiredKeys: [] },
);
const away = fc.integer({ min: 60, max: 1e9 });
const claims = fc.record(
  {
    sub: mostly(
      id,
      fc.string({ unit: 'binary', maxLength: 70 }),
      id.map((text) => `${text}/`),
    ),
    role: mostly(
      fc.constantFrom(...roles),
      fc.constantFrom('ADMIN', 'driver', 'DRIVER ', '__proto__', ['DRIVER']),
    ),
    exp: mostly(
      away.map((seconds) => Math.floor(nowSeconds()) + seconds + 0.5),
      away.map((seconds) => Math.floor(nowSeconds()) - seconds),
      fc.double(),
    ),
    nbf: mostly(
      away.map((seconds) => nowSeconds() - seconds),
      away.map((seconds) => nowSeconds() + seconds),
    ),
    iss: mostly(fc.constant(ISSUER), fc.constantFrom(`${ISSUER}/`, [ISSUER], '')),
    aud: mostly(
      fc.constantFrom(AUDIENCE, [AUDIENCE], ['x', AUDIENCE]),
      fc.constantFrom([[AUDIENCE]], `${AUDIENCE} `, []),
    ),
    jti: mostly(fc.string({ minLength: 1 }), fc.constant('')),
    trips: mostly(fc.array(id, { minLength: 1, maxLength: 5 }), fc.constant([])),
    x: fc.jsonValue(),
  },
  { requiredKeys: ['sub', 'role', 'exp', 'iss', 'aud', 'trips'] },
);

/** As the other side reads them: JSON has no -0, no Infinity, and a `__proto__` is a field as any other. */
const asRead = (value: unknown) => JSON.parse(JSON.stringify(value)) as Fields;

test('whatever a token says that is rightly signed, it is taken if, and only if, it keeps every rule, and for what it says', async () => {
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(
      header,
      fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: keys }),
      fc.oneof({ weight: 20, arbitrary: claims }, { weight: 1, arbitrary: fc.jsonValue() }),
      async (known, more, said) => {
        const token = compose({ ...known, ...more }, said === null ? 'null' : said, hmac(secret));
        const [head, payload] = [asRead({ ...known, ...more }), asRead(said)];
        const verdict = await verifier.verify(token).catch((error: unknown) => {
          if (error instanceof TokenError) return error;
          throw error;
        });
        const isObject = typeof payload === 'object' && payload !== null && !Array.isArray(payload);
        expect(!(verdict instanceof TokenError)).toBe(isObject && isGood(head, payload));
        if (verdict instanceof TokenError) return;
        taken++;
        expect(verdict).toMatchObject({
          sub: payload.sub,
          role: payload.role,
          expiresAt: (payload.exp as number) * 1000,
          trips: payload.role === 'VIEWER' ? payload.trips : [],
        });
      },
    ),
    { numRuns: 1000 },
  );
  expect(taken).toBeGreaterThan(100);
});
