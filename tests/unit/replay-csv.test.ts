import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseMapping } from '../../tools/replay/columns.ts';
import { type ReadOptions, readTrack } from '../../tools/replay/read-track.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'replay-csv-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function read(text: string, options: Partial<ReadOptions> = {}) {
  const file = join(folder, 'track.csv');
  await writeFile(file, text);
  return readTrack(file, { columns: undefined, speedUnit: 'ms', limit: undefined, ...options });
}

const second = (number: number) => `2026-11-23 10:00:0${number}`;
const at = (number: number) => Date.UTC(2026, 10, 23, 10, 0, number);

describe('a CSV file', () => {
  test('gives every field of a position', async () => {
    const { points } = await read(
      `time,lat,lon,speed,heading,alt,acc,batt,driver_id\n${second(0)},37.5,-122.25,36,360,10.5,4,80,taxi 7\n`,
      { speedUnit: 'kmh' },
    );
    expect(points).toEqual([
      {
        track: 'taxi 7',
        timeMs: at(0),
        latitude: 37.5,
        longitude: -122.25,
        speed: 10,
        bearing: 0,
        altitude: 10.5,
        accuracy: 4,
        battery: 80,
      },
    ]);
  });

  test('grouped by track is played in the order of time', async () => {
    const { points, tracks } = await read(
      `id,lat,lon,time\na,1,1,${second(0)}\na,1,2,${second(2)}\nb,2,1,${second(1)}\nb,2,2,${second(3)}\n`,
    );
    expect(points.map(({ track, timeMs }) => [track, timeMs])).toEqual([
      ['a', at(0)],
      ['b', at(1)],
      ['a', at(2)],
      ['b', at(3)],
    ]);
    expect(tracks).toEqual(['a', 'b']);
  });

  test('without a column for the driver is one track', async () => {
    const { tracks } = await read(`lat,lon,time\n1,1,0\n1,2,1\n`);
    expect(tracks).toEqual(['1']);
  });

  test.each([
    ['semicolons', 'lat;lon;time\n1;2;0\n'],
    ['tabs', 'lat\tlon\ttime\n1\t2\t0\n'],
    ['Windows line ends and a byte order mark', '\uFEFFlat,lon,time\r\n1,2,0\r\n'],
    ['old Macintosh line ends', 'lat,lon,time\r1,2,0\r'],
    ['no line end at the end', 'lat,lon,time\n1,2,0'],
    ['quotes', '"lat","lon","time","note"\n"1","2","0","a, ""b"" c"\n'],
    ['empty lines', '\n\nlat,lon,time\n\n1,2,0\n\n'],
    ['blanks around values', 'lat, lon , time\n 1 , 2, 0 \n'],
  ])('with %s', async (_name, text) => {
    const { points } = await read(text);
    expect(points).toMatchObject([{ latitude: 1, longitude: 2, timeMs: 0 }]);
  });

  test('is read by the columns that are named', async () => {
    const { mapping } = parseMapping('y=latitude,x=longitude,t=recordedAt');
    expect((await read('x,y,t,speed\n1,2,3,4\n', { columns: mapping })).points).toMatchObject([
      { longitude: 1, latitude: 2, timeMs: 3000, speed: undefined },
    ]);
  });

  test('is cut off after the earliest positions at the limit', async () => {
    const { points, positionsInFile } = await read('lat,lon,time\n1,1,3\n1,1,1\n1,1,2\n', { limit: 2 });
    expect(points.map(({ timeMs }) => timeMs)).toEqual([1000, 2000]);
    expect(positionsInFile).toBe(3);
  });
});

describe('a row that is no position', () => {
  test('is counted and named with its line and the reason, and the others stay', async () => {
    const { points, notes } = await read(
      [
        'lat,lon,time',
        '1,1,0',
        ',1,1',
        '91,1,2',
        '1,x,3',
        '1,1,noon',
        '1,1',
        '"1,1,6',
        '1,1,7,8',
        '1,1,8',
      ].join('\n'),
    );
    expect(points.map(({ timeMs }) => timeMs)).toEqual([0, 8000]);
    expect(notes.slice(1)).toEqual([
      '7 rows hold no position and are left out:',
      '  line 3: no latitude',
      '  line 4: latitude "91" is not a number from -90 to 90',
      '  line 5: longitude "x" is not a number from -180 to 180',
      '  line 6: time "noon" is not one that is known here',
      '  line 7: no recordedAt',
      '  and 2 more',
    ]);
  });

  test('with an open quote costs that row only, however much follows', async () => {
    const rows = Array.from({ length: 20_000 }, (_, index) => `1,1,${index + 1}`);
    const { points, notes } = await read(`lat,lon,time\n"1,1,0\n${rows.join('\n')}\n`);
    expect(points).toHaveLength(20_000);
    expect(notes).toContain('  line 2: a quote is opened and not closed');
  });

  test('is fatal when there is no other', async () => {
    await expect(read('lat,lon,time\n,,\n')).rejects.toThrow(
      /no position in .*track\.csv[\s\S]*line 2: no latitude/,
    );
    await expect(read('')).rejects.toThrow(/no position in/);
  });
});

describe('a value that can not be one', () => {
  test('is left out and counted, the position stays', async () => {
    const { points, notes } = await read('lat,lon,time,speed,course,batt\n1,1,0,-1,-1,n/a\n1,1,1,-1,361,\n');
    expect(points).toMatchObject([
      { speed: undefined, bearing: undefined, battery: undefined },
      { speed: undefined, bearing: undefined, battery: undefined },
    ]);
    expect(notes).toContain("values that can't be one were left out: speed 2, bearing 2, battery 1");
  });
});

describe('a file that can not be taken as it is', () => {
  test('is not there', async () => {
    const options = { columns: undefined, speedUnit: 'ms', limit: undefined } as const;
    await expect(readTrack(join(folder, 'none.csv'), options)).rejects.toThrow(
      /none\.csv can't be read: ENOENT/,
    );
    await expect(readTrack(folder, options)).rejects.toThrow(/can't be read: EISDIR/);
  });

  test('has a row number where the driver should be', async () => {
    await expect(read('id,lat,lon,time\n1,1,1,0\n2,1,1,1\n')).rejects.toThrow(
      /every row has a driver id of its own/,
    );
  });

  test('has positions of one track at the same time: they are said to be one', async () => {
    const { notes } = await read('lat,lon,time\n1,1,0\n1,2,0\n');
    expect(notes).toContain('1 positions have the time of another one of their track: stored once');
  });
});
