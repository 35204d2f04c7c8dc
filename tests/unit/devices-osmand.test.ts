import { describe, expect, test } from '@jest/globals';
import { readOsmAnd } from '../../shared/devices/osmand.ts';
import { parsePosition } from '../../shared/schemas/position.ts';

const read = (query: string) => readOsmAnd(Object.fromEntries(new URLSearchParams(query)));

/** What the admission makes of a query. */
function parsed(query: string) {
  const message = read(query);
  if (message.kind !== 'position') throw new Error(`no position: ${JSON.stringify(message)}`);
  return parsePosition(message.position);
}

const absent = { bearing: null, speed: null, accuracy: null, altitude: null, battery: null };

describe("the examples of Traccar's own tests", () => {
  test.each([
    [
      'id=902064&lat=42.06288&lon=-88.23412&timestamp=2016-01-27T18%3A55%3A47Z&hdop=6.0&altitude=224.0&speed=0.0',
      '902064',
      {
        latitude: 42.06288,
        longitude: -88.23412,
        altitude: 224,
        speed: 0,
        recordedAt: Date.UTC(2016, 0, 27, 18, 55, 47),
      },
    ],
    [
      'id=902064&lat=42.06288&lon=-88.23412&timestamp=1442068686579&hdop=6.0&altitude=224.0&speed=0.0',
      '902064',
      { latitude: 42.06288, longitude: -88.23412, altitude: 224, speed: 0, recordedAt: 1442068686579 },
    ],
    [
      'lat=49.60688&lon=6.15788&timestamp=2014-06-04+09%3A10%3A11&altitude=384.7&speed=0.0&id=353861053849681',
      '353861053849681',
      {
        latitude: 49.60688,
        longitude: 6.15788,
        altitude: 384.7,
        speed: 0,
        recordedAt: Date.UTC(2014, 5, 4, 9, 10, 11),
      },
    ],
    [
      'id=123456&timestamp=1377177267&lat=60.0&lon=30.0&speed=0.0&bearing=0.0&altitude=0&hdop=0.0',
      '123456',
      { latitude: 60, longitude: 30, altitude: 0, speed: 0, bearing: 0, recordedAt: 1377177267000 },
    ],
    [
      'id=123456&timestamp=1377177267&lat=60.0&lon=30.0',
      '123456',
      { latitude: 60, longitude: 30, recordedAt: 1377177267000 },
    ],
    [
      'lat=60.0&lon=30.0&speed=0.0&heading=0.0&vacc=0&hacc=0&altitude=0&deviceid=123456',
      '123456',
      { latitude: 60, longitude: 30, altitude: 0, speed: 0, bearing: 0, recordedAt: null },
    ],
    [
      'id=861001000719969&lat=41.666667&lon=-0.883333&altitude=350.059479&speed=0.000000&batt=87',
      '861001000719969',
      {
        latitude: 41.666667,
        longitude: -0.883333,
        altitude: 350.059479,
        speed: 0,
        battery: 87,
        recordedAt: null,
      },
    ],
    [
      'id=123456&timestamp=1377177267&location=60.0,30.0',
      '123456',
      { latitude: 60, longitude: 30, recordedAt: 1377177267000 },
    ],
    [
      'id=123456789012345&timestamp=1504763810&lat=40.7232948571&lon=-74.0061408571&bearing=7.19889788244&speed=40&ignition=true&rpm=933&fuel=24',
      '123456789012345',
      {
        latitude: 40.7232948571,
        longitude: -74.0061408571,
        bearing: 7.19889788244,
        speed: 20.578,
        recordedAt: 1504763810000,
      },
    ],
  ])('%s', (query, id, position) => {
    expect(read(query)).toMatchObject({ kind: 'position', id });
    expect(parsed(query)).toEqual({ position: { ...absent, ...position } });
  });

  test('radio cells and networks without a place tell us nothing', () => {
    const query =
      'id=123456&timestamp=1377177267&cell=257,02,16,2224&cell=257,02,16,2223,-90&wifi=00-14-22-01-23-45,-80&wifi=00-1C-B3-09-85-15,-70';
    expect(read(query)).toEqual({ kind: 'other' });
  });

  test('the id may be missing', () => {
    expect(read('timestamp=1377177267&lat=60.0&lon=30.0')).toMatchObject({ kind: 'position', id: undefined });
  });
});

test("Traccar Client's own query, as it sent it before its version 9", () => {
  const query =
    'id=485321&timestamp=1700000000&lat=48.2082&lon=16.3738&speed=24.3&bearing=181.5&altitude=171.0&accuracy=4.5&batt=79.0&charge=true';
  expect(parsed(query)).toEqual({
    position: {
      latitude: 48.2082,
      longitude: 16.3738,
      speed: 12.501,
      bearing: 181.5,
      altitude: 171,
      accuracy: 4.5,
      battery: 79,
      recordedAt: 1700000000000,
    },
  });
});

const at = (query: string) => parsed(`lat=60&lon=30&${query}`);

describe('times', () => {
  test.each([
    ['1700000000', 1700000000000],
    ['1700000000.5', 1700000000500],
    ['2147483646', 2147483646000],
    ['2147483647', 2147483647],
    ['1700000000123', 1700000000123],
    ['2023-11-14T22:13:20Z', 1700000000000],
    ['2023-11-14T22:13:20.123Z', 1700000000123],
    ['2023-11-15T00:13:20%2B02:00', 1700000000000],
    ['2023-11-15T00:13:20+02:00', 1700000000000],
    ['2023-11-14 22:13:20', 1700000000000],
    ['2023-11-14%2022:13:20', 1700000000000],
    ['', null],
  ])('timestamp=%s is %j', (time, recordedAt) => {
    expect(at(`timestamp=${time}`)).toMatchObject({ position: { recordedAt } });
  });

  test.each([
    'noon',
    '2023-11-14',
    '2023-11-14T22:13:20',
    '2023-02-30 10:00:00',
    '0x10',
    '14.11.2023 22:13:20',
    '1e400',
  ])('timestamp=%s is none', (time) => {
    expect(at(`timestamp=${time}`)).toEqual({ errors: [expect.objectContaining({ path: '/recordedAt' })] });
  });
});

describe('readings', () => {
  test.each([
    ['speed=1', { speed: 0.514 }],
    ['speed=10', { speed: 5.144 }],
    ['speed=1e1', { speed: 5.144 }],
    ['speed=%2B10', { speed: 5.144 }],
    ['bearing=360', { bearing: 0 }],
    ['bearing=&heading=90', { bearing: 90 }],
    ['altitude=-3.5', { altitude: -3.5 }],
    ['valid=true', { latitude: 60 }],
    ['valid=1', { latitude: 60 }],
  ])('%s is %j', (query, position) => {
    expect(at(query)).toMatchObject({ position });
  });

  test.each([
    ['speed=-1.943844', 'speed'],
    ['bearing=-1', 'bearing'],
    ['accuracy=-1', 'accuracy'],
    ['batt=-100', 'battery'],
    ['batt=120', 'battery'],
    ['speed=', 'speed'],
    ['accuracy=+', 'accuracy'],
  ])('%s is unknown, and the place is kept all the same', (query, name) => {
    expect(at(query)).toMatchObject({ position: { latitude: 60, [name]: null } });
  });

  test.each([
    ['lat=91&lon=1', ['/latitude']],
    ['lat=x&lon=181', ['/latitude', '/longitude']],
    ['lat=1', ['/longitude']],
    ['id=1', ['/latitude', '/longitude']],
    ['location=60', ['/longitude']],
    ['location=60;30', ['/latitude', '/longitude']],
    ['lat=NaN&lon=Infinity', ['/latitude', '/longitude']],
    ['lat=1&lon=2&speed=fast&batt=full', ['/battery', '/speed']],
  ])('%s names every field that is wrong', (query, paths) => {
    const result = parsed(query);
    const errors = 'errors' in result ? result.errors : [];
    expect([...new Set(errors.map(({ path }) => path))].sort()).toEqual(paths);
  });

  test.each(['valid=false', 'valid=0', 'valid=no'])('%s: the fix is no fix', (query) => {
    expect(read(`lat=60&lon=30&${query}`)).toEqual({ kind: 'other' });
  });
});
