import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import jwt from 'jsonwebtoken';
import { driverIds } from '../../tools/replay/driver-ids.ts';
import {
  assignDrivers,
  type IdentityOptions,
  seatPerDriver,
  sharedSeat,
} from '../../tools/replay/identity.ts';

const tokenOf = (sub: string, role: string) => jwt.sign({ sub, role }, 'x'.repeat(32));

const given: IdentityOptions = { token: undefined, driver: undefined, driverPrefix: 'driver-' };

describe('driver ids', () => {
  test('are the track ids behind the prefix', () => {
    expect([...driverIds(['128', 'driver-7'], 'driver-')]).toEqual([
      ['128', 'driver-128'],
      ['driver-7', 'driver-7'],
    ]);
  });

  test.each([
    ['Zoë & Co.', 'v-Zoe-Co'],
    ['a/b#+c', 'v-a-b-c'],
    ['東京', 'v-track'],
    ['x'.repeat(80), `v-${'x'.repeat(62)}`],
  ])('are made to fit: %s', (track, expected) => {
    expect(driverIds([track], 'v-').get(track)).toBe(expected);
  });

  test('stay distinct and valid whatever the track ids are', () => {
    const tracks = fc.uniqueArray(fc.oneof(fc.string(), fc.string({ minLength: 60, maxLength: 90 })), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(tracks, fc.constantFrom('', 'driver-', 'p'.repeat(32)), (names, prefix) => {
        const ids = [...driverIds(names, prefix).values()];
        expect(new Set(ids).size).toBe(names.length);
        for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
      }),
    );
  });
});

describe('who sends a track', () => {
  const ids = (tracks: string[], options: Partial<IdentityOptions>) => [
    ...assignDrivers(tracks, { ...given, ...options }).values(),
  ];

  test('--driver, for the only track', () => {
    expect(ids(['128'], { driver: 'me' })).toEqual(['me']);
    expect(() => ids(['1', '2'], { driver: 'me' })).toThrow('--driver is for one track, the file has 2');
  });

  test('the DRIVER whose token it is', () => {
    const token = tokenOf('me', 'DRIVER');
    expect(ids(['128'], { token })).toEqual(['me']);
    expect(() => ids(['1', '2'], { token })).toThrow(/token is that of driver me, the file has 2 tracks/);
    expect(() => ids(['1'], { token, driver: 'you' })).toThrow(
      '--driver is you, but the token is that of driver me',
    );
  });

  test('the track ids, with the token of a SERVICE or one that can not be read', () => {
    expect(ids(['1', '2'], { token: tokenOf('booking', 'SERVICE') })).toEqual(['driver-1', 'driver-2']);
    expect(ids(['1'], { token: 'x' })).toEqual(['driver-1']);
  });
});

describe('connections', () => {
  test('are one with a token, which hears of the errors of its user', () => {
    const token = tokenOf('booking', 'SERVICE');
    expect(sharedSeat(token, ['1', '2'])).toEqual({
      token,
      errorsTopic: 'drivers/booking/errors',
      tracks: ['1', '2'],
    });
    expect(sharedSeat('x', ['1']).errorsTopic).toBeUndefined();
  });

  test('are one a driver without, each with a token of its own', async () => {
    const drivers = new Map([
      ['1', 'driver-1'],
      ['2', 'driver-2'],
    ]);
    const seats = await seatPerDriver(drivers, { secret: 's'.repeat(32), dataDir: 'unused' }, 60);
    expect(seats.map(({ tracks, errorsTopic }) => [tracks, errorsTopic])).toEqual([
      [['1'], 'drivers/driver-1/errors'],
      [['2'], 'drivers/driver-2/errors'],
    ]);
    for (const { token, tracks } of seats)
      expect(jwt.verify(token, 's'.repeat(32))).toMatchObject({ sub: `driver-${tracks[0]}`, role: 'DRIVER' });
  });

  test('need a token where the platform can only check them', async () => {
    const settings = { jwksUrl: 'https://idp.example/keys', dataDir: 'unused' };
    await expect(seatPerDriver(new Map([['1', 'a']]), settings, 60)).rejects.toThrow(/give one with --token/);
  });
});
