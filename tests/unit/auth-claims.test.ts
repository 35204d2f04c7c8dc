import { describe, expect, test } from '@jest/globals';
import { claimProblems, identityFrom, roles } from '../../shared/auth/identity.ts';
import { TokenError } from '../../shared/auth/token-error.ts';

const driver = { sub: 'driver-1', role: 'DRIVER', exp: 2_000_000_000 };
const viewer = { sub: 'guest', role: 'VIEWER', exp: 2_000_000_000, trips: ['trip-1'] };

describe('identityFrom', () => {
  test('a driver', () => {
    expect(identityFrom(driver)).toEqual({
      sub: 'driver-1',
      role: 'DRIVER',
      expiresAt: 2_000_000_000_000,
      trips: [],
    });
  });

  test('a viewer has its trips', () => {
    expect(identityFrom({ ...viewer, jti: 'j1' })).toMatchObject({ tokenId: 'j1', trips: ['trip-1'] });
  });

  test.each(roles.filter((role) => role !== 'VIEWER'))('trips mean nothing for %s', (role) => {
    expect(identityFrom({ ...driver, role, trips: 5 }).trips).toEqual([]);
    expect(identityFrom({ ...driver, role, trips: ['trip-1'] }).trips).toEqual([]);
  });

  test('other claims are left alone', () => {
    expect(identityFrom({ ...driver, scope: 'x', email: 1, __proto__: { role: 'SERVICE' } }).role).toBe(
      'DRIVER',
    );
  });

  const refused: [string, unknown, string][] = [
    ['role is an array', { ...driver, role: ['DRIVER'] }, '/role'],
    ['role is unknown', { ...driver, role: 'ADMIN' }, '/role'],
    ['role in lower case', { ...driver, role: 'driver' }, '/role'],
    ['role is missing', { sub: 'driver-1', exp: 1 }, '/role'],
    ['role is inherited', Object.assign(Object.create({ role: undefined }), { sub: 'a', exp: 1 }), '/role'],
    ['sub is missing', { role: 'DRIVER', exp: 1 }, '/sub'],
    ['sub is a number', { ...driver, sub: 1 }, '/sub'],
    ['exp is missing', { sub: 'driver-1', role: 'DRIVER' }, '/exp'],
    ['exp is a string', { ...driver, exp: '2000000000' }, '/exp'],
    ['exp is infinite (1e400)', JSON.parse('{"sub":"driver-1","role":"DRIVER","exp":1e400}'), '/exp'],
    ['exp is beyond all time', { ...driver, exp: 1e308 }, '/exp'],
    ['jti is a number', { ...driver, jti: 1 }, '/jti'],
    ['a viewer without trips', { ...viewer, trips: undefined }, '/trips'],
    ['a viewer of no trip', { ...viewer, trips: [] }, '/trips'],
    ['a viewer of 101 trips', { ...viewer, trips: Array.from({ length: 101 }, (_, i) => `t${i}`) }, '/trips'],
    ['a viewer whose trips are one string', { ...viewer, trips: 'trip-1' }, '/trips'],
    ['a viewer of a wildcard', { ...viewer, trips: ['+'] }, '/trips/0'],
    ['a viewer of a number', { ...viewer, trips: ['trip-1', 2] }, '/trips/1'],
    ['an array', [driver], ''],
    ['a string', 'driver-1', ''],
    ['null', null, ''],
    ['nothing', undefined, ''],
  ];

  test.each(refused)('refused: %s', (_name, payload, path) => {
    expect(claimProblems(payload).map((problem) => problem.path)).toContain(path);
    expect(() => identityFrom(payload)).toThrow(TokenError);
  });

  test.each(['', 'a/b', 'a+', '#', 'a\0', 'a\n', 'a b', '$SYS', 'é', 'a'.repeat(65)])(
    'refused as sub: %j',
    (sub) => {
      expect(claimProblems({ ...driver, sub })).toHaveLength(1);
    },
  );

  test('64 characters are a sub', () => {
    expect(identityFrom({ ...driver, sub: 'a'.repeat(64) }).sub).toHaveLength(64);
  });

  test('every wrong claim is named, and none is quoted', () => {
    const payload = { sub: 'evil/#', role: 'VIEWER', exp: 'never', trips: [] };
    expect(claimProblems(payload).map(({ path }) => path)).toEqual(['/sub', '/exp', '/trips']);
    expect(() => identityFrom(payload)).toThrow(expect.not.objectContaining({ message: /evil|never/ }));
  });
});
