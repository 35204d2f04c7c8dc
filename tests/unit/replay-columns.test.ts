import { describe, expect, test } from '@jest/globals';
import { columnIndexes, parseMapping } from '../../tools/replay/columns.ts';
import { UsageError } from '../../tools/shared/usage-error.ts';

const detect = (...headers: string[]) => Object.fromEntries(columnIndexes(headers, undefined));

function problemsOf(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof UsageError) return error.problems;
    throw error;
  }
  return [];
}

describe('columns found by common headers', () => {
  test.each([
    [['lat', 'lon', 'time'], { latitude: 0, longitude: 1, recordedAt: 2 }],
    [['Timestamp', 'Longitude', 'Latitude'], { recordedAt: 0, longitude: 1, latitude: 2 }],
    [['recorded_at', 'lng', 'lat', 'heading'], { recordedAt: 0, longitude: 1, latitude: 2, bearing: 3 }],
    [['DateTime (UTC)', 'LAT [deg]', 'LONG [deg]'], { recordedAt: 0, latitude: 1, longitude: 2 }],
    [
      ['track_id', 'lon', 'lat', 'speed', 'time'],
      { driverId: 0, longitude: 1, latitude: 2, speed: 3, recordedAt: 4 },
    ],
    [
      ['vehicle_id', 'time', 'lat', 'lon', 'sog', 'cog', 'ele', 'acc', 'batt'],
      {
        driverId: 0,
        recordedAt: 1,
        latitude: 2,
        longitude: 3,
        speed: 4,
        bearing: 5,
        altitude: 6,
        accuracy: 7,
        battery: 8,
      },
    ],
  ])('%j', (headers, expected) => {
    expect(detect(...headers)).toEqual(expected);
  });

  test('the surest of several headers for one field is taken', () => {
    expect(detect('id', 'vehicle_id', 'lat', 'lon', 'time').driverId).toBe(1);
    expect(detect('id', 'lat', 'lon', 'time').driverId).toBe(0);
  });

  test('a header that is not known is left out', () => {
    expect(detect('lat', 'lon', 'time', 'weather')).toEqual({ latitude: 0, longitude: 1, recordedAt: 2 });
  });

  test('missing columns are named together with what the file has', () => {
    expect(problemsOf(() => detect('x', 'y', 'time'))).toEqual([
      'no column for latitude, longitude among: x, y, time; name it with --columns HEADER=FIELD,...',
    ]);
  });
});

describe('columns named with --columns', () => {
  test('header and field, blanks around them do not count', () => {
    const { mapping, problems } = parseMapping('y=latitude, x = longitude,when=recordedAt,who=driverId');
    expect(problems).toEqual([]);
    expect(Object.fromEntries(columnIndexes(['who', 'when', ' x', 'y'], mapping))).toEqual({
      driverId: 0,
      recordedAt: 1,
      longitude: 2,
      latitude: 3,
    });
  });

  test('only what is named is taken, also when a common header is there', () => {
    const { mapping } = parseMapping('lat=latitude,lon=longitude,t=recordedAt');
    expect(columnIndexes(['lat', 'lon', 't', 'speed'], mapping).has('speed')).toBe(false);
  });

  test('a header may hold an equals sign', () => {
    expect([...parseMapping('a=b=latitude').mapping]).toEqual([['a=b', 'latitude']]);
  });

  test('every problem is a line of its own', () => {
    expect(parseMapping('lat,lon=long,a=speed,b=speed,a=battery').problems).toEqual([
      '--columns: "lat" is not HEADER=FIELD',
      expect.stringMatching(/^--columns: "long" is not a field, these are: latitude, longitude/),
      '--columns: two headers for speed',
      '--columns: header "a" stands there twice',
    ]);
  });

  test('a header that the file does not have is named', () => {
    const { mapping } = parseMapping('y=latitude,x=longitude');
    expect(problemsOf(() => columnIndexes(['lat', 'lon'], mapping))).toEqual([
      '--columns: the file has no column "y", it has: lat, lon',
      '--columns: the file has no column "x", it has: lat, lon',
    ]);
  });
});
