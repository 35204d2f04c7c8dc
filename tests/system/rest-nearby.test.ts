import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { type Platform, startPlatform, token } from '../support/platform.ts';
import { caller, expectProblem, wrongFields } from '../support/rest.ts';

let database: TestDatabase;
let platform: Platform;
let service: ReturnType<typeof caller>;

type Place = { latitude: number; longitude: number };
type Found = Place & { driverId: string; distanceMeters: number; status: string; ageSeconds: number };

const MEAN_RADIUS = 6_371_008.8;

/** Metres between two places on a sphere. */
function haversine(a: Place, b: Place): number {
  const radians = (degrees: number) => (degrees * Math.PI) / 180;
  const half = (from: number, to: number) => Math.sin(radians(to - from) / 2) ** 2;
  const h =
    half(a.latitude, b.latitude) +
    Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude)) * half(a.longitude, b.longitude);
  return 2 * MEAN_RADIUS * Math.asin(Math.sqrt(h));
}

async function put(
  driverId: string,
  place: Place,
  more: { age?: number; status?: string } = {},
): Promise<void> {
  const position = { ...place, recordedAt: Date.now() - (more.age ?? 0) };
  expect((await service.post(`/v1/drivers/${driverId}/locations`, [position])).body).toMatchObject({
    accepted: 1,
  });
  const status = more.status ?? 'ONLINE';
  expect((await service.put(`/v1/drivers/${driverId}/status`, { status })).status).toBe(200);
}

const ask = (query: string) => service.get(`/v1/drivers/nearby?${query}`);

async function near({ latitude, longitude }: Place, more = ''): Promise<Found[]> {
  const { status, body } = await ask(`latitude=${latitude}&longitude=${longitude}${more}`);
  expect({ status, body }).toEqual({ status: 200, body: { items: expect.any(Array) } });
  return (body as { items: Found[] }).items;
}

const ids = (found: readonly Found[]) => found.map(({ driverId }) => driverId);

const vienna = { latitude: 48.2082, longitude: 16.3738 };
const spread: [string, Place, string?][] = [
  ['v-4500', { latitude: 48.2487, longitude: 16.3738 }],
  ['v-0', vienna],
  ['v-700-busy', { latitude: 48.2145, longitude: 16.3738 }, 'BUSY'],
  ['v-1500', { latitude: 48.2082, longitude: 16.394 }],
  ['v-900', { latitude: 48.2001, longitude: 16.3738 }],
  ['v-30000', { latitude: 48.2082, longitude: 16.778 }],
];

beforeAll(async () => {
  database = await createMigratedDatabase();
  platform = await startPlatform({ DATABASE_URL: database.url });
  service = caller(platform, await token('SERVICE', 'service-1'));
  for (const [driverId, place, status = 'ONLINE'] of spread) await put(driverId, place, { status });
  await put('v-100-stale', { latitude: 48.2091, longitude: 16.3738 }, { age: 600_000 });
  await service.put('/v1/drivers/v-without-position/status', { status: 'ONLINE' });
});
afterAll(async () => {
  await platform?.stop();
  await database?.drop();
});

describe('the drivers nearby', () => {
  test('come nearest first, within 5 km unless said, and without who is stale or nowhere', async () => {
    expect(ids(await near(vienna))).toEqual(['v-0', 'v-700-busy', 'v-900', 'v-1500', 'v-4500']);
  });

  test('have their position, status, age and the distance in metres', async () => {
    const found = await near(vienna, '&radius=50000');
    expect(found).toHaveLength(spread.length);
    for (const driver of found) {
      expect(driver).toEqual({
        driverId: expect.any(String),
        latitude: expect.any(Number),
        longitude: expect.any(Number),
        recordedAt: expect.any(String),
        receivedAt: expect.any(String),
        status: driver.driverId.endsWith('busy') ? 'BUSY' : 'ONLINE',
        ageSeconds: expect.any(Number),
        distanceMeters: expect.any(Number),
      });
      const expected = haversine(vienna, driver);
      expect(Math.abs(driver.distanceMeters - expected)).toBeLessThanOrEqual(expected / 100);
    }
  });

  test('are those inside of the radius', async () => {
    expect(ids(await near(vienna, '&radius=1000'))).toEqual(['v-0', 'v-700-busy', 'v-900']);
    expect(ids(await near(vienna, '&radius=850'))).toEqual(['v-0', 'v-700-busy']);
    expect(ids(await near(vienna, '&radius=0.5'))).toEqual(['v-0']);
    expect(ids(await near(vienna, '&radius=50000')).at(-1)).toBe('v-30000');
  });

  test('are at most as many as the limit says', async () => {
    expect(ids(await near(vienna, '&limit=1'))).toEqual(['v-0']);
    expect(ids(await near(vienna, '&limit=3'))).toEqual(['v-0', 'v-700-busy', 'v-900']);
  });

  test('can be asked for by status', async () => {
    expect(ids(await near(vienna, '&status=BUSY'))).toEqual(['v-700-busy']);
    expect(ids(await near(vienna, '&status=ONLINE&limit=2'))).toEqual(['v-0', 'v-900']);
    expect(ids(await near(vienna, '&status=OFFLINE'))).toEqual([]);
  });

  test('include the only free one behind a crowd of busy ones', async () => {
    const graz = { latitude: 47.0707, longitude: 15.4395 };
    for (let index = 0; index < 30; index++)
      await put(`crowd-${index}`, { ...graz, latitude: graz.latitude + index / 1e5 }, { status: 'BUSY' });
    await put('free', { ...graz, latitude: graz.latitude + 0.02 });
    expect(ids(await near(graz, '&status=ONLINE'))).toEqual(['free']);
    expect(await near(graz)).toHaveLength(20);
    expect(await near(graz, '&limit=100')).toHaveLength(31);
  });

  test('move with their newest position', async () => {
    const linz = { latitude: 48.3069, longitude: 14.2858 };
    await put('mover', { ...linz, latitude: linz.latitude + 0.01 });
    await put('mover', linz);
    expect(await near(linz)).toMatchObject([{ driverId: 'mover', distanceMeters: 0 }]);
  });

  test('are found across the antimeridian', async () => {
    const east = { latitude: -17, longitude: 179.999 };
    const west = { latitude: -17, longitude: -179.999 };
    await put('east', east);
    const [found] = await near(west, '&radius=500');
    expect(found).toMatchObject({ driverId: 'east' });
    const metres = haversine(east, west);
    expect(metres).toBeLessThan(220);
    expect(Math.abs((found?.distanceMeters ?? 0) - metres)).toBeLessThan(metres / 100);
    expect(ids(await near({ latitude: -17, longitude: 180 }))).toEqual(['east']);
    expect(ids(await near({ latitude: -17, longitude: -180 }))).toEqual(['east']);
  });

  test.each([
    ['north', 1],
    ['south', -1],
  ])('are found across the %s pole', async (name, sign) => {
    await put(`pole-${name}`, { latitude: sign * 89.999, longitude: 10 });
    const [across] = await near({ latitude: sign * 89.999, longitude: -170 }, '&radius=500');
    expect(across).toMatchObject({ driverId: `pole-${name}` });
    expect(Math.abs((across?.distanceMeters ?? 0) - 223)).toBeLessThan(4);
    expect(ids(await near({ latitude: sign * 90, longitude: 0 }, '&radius=500'))).toEqual([`pole-${name}`]);
  });
});

describe('parameters of nearby', () => {
  const good: Record<string, string> = { latitude: '48.2082', longitude: '16.3738' };

  const refused = async (query: Record<string, string>, fields: readonly string[]) => {
    const problem = expectProblem(await ask(`${new URLSearchParams(query)}`), 400, 'INVALID_PARAMETER');
    expect(wrongFields(problem)).toEqual(fields);
  };

  test('that are wrong are all named at once', async () => {
    await refused({ longitude: '181', radius: '50001', status: 'AWAY', limit: '101' }, [
      'latitude',
      'limit',
      'longitude',
      'radius',
      'status',
    ]);
  });

  test.each(['0', '-1', '50000.1', '1e9', '1e400', 'NaN', 'Infinity', '', ' ', '0x10', '5km'])(
    'a radius is not "%s"',
    (radius) => refused({ ...good, radius }, ['radius']),
  );

  test.each(['-90.1', '91', 'NaN', '', ' ', '1,5', '0x1', '1e400', 'null', '[1]'])(
    'a latitude is not "%s"',
    (latitude) => refused({ ...good, latitude }, ['latitude']),
  );

  test.each(['-1', '0', '101', '1e9', '1.5', 'abc', ''])('a limit is not "%s"', (limit) =>
    refused({ ...good, limit }, ['limit']),
  );

  test('that are given twice are refused', async () => {
    const problem = expectProblem(
      await ask('latitude=1&latitude=2&longitude=1&status=BUSY&status=ONLINE&limit=1&limit=2'),
      400,
      'INVALID_PARAMETER',
    );
    expect(wrongFields(problem)).toEqual(['latitude', 'limit', 'status']);
  });

  test('may be written with a plus, an exponent or no leading zero', async () => {
    const place = 'latitude=4.82082e1&longitude=%2B16.3738&radius=.5';
    for (const query of [place, place.replace('%2B', '+')])
      expect(ids(((await ask(query)).body as { items: Found[] }).items)).toEqual(['v-0']);
  });

  test('that are not known are left alone, also with names of prototypes', async () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'limit[]', 'radius[min]'];
    for (const name of names) {
      const found = await near(vienna, `&limit=1&${encodeURIComponent(name)}=5`);
      expect(ids(found)).toEqual(['v-0']);
    }
  });
});
