import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readTrack } from '../../tools/replay/read-track.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'replay-gpx-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function read(text: string) {
  // The name says nothing about the kind of file.
  const file = join(folder, 'track.dat');
  await writeFile(file, text);
  return readTrack(file, { columns: undefined, speedUnit: 'kmh', limit: undefined });
}

const gpx = (body: string, version = '1.1') =>
  `<?xml version="1.0" encoding="UTF-8"?>
<gpx version="${version}" xmlns="http://www.topografix.com/GPX/${version.replace('.', '/')}" creator="test">
${body}
</gpx>`;

const point = (second: number, more = '') =>
  `<trkpt lat="48.1" lon="11.${second}"><time>2026-11-23T10:00:0${second}Z</time>${more}</trkpt>`;

const at = (number: number) => Date.UTC(2026, 10, 23, 10, 0, number);

describe('a GPX file', () => {
  test('1.0 has speed and course in its points', async () => {
    const { points } = await read(
      gpx(
        `<trk><trkseg>${point(1, '<ele>520.5</ele><course>45.5</course><speed>12.5</speed>')}</trkseg></trk>`,
        '1.0',
      ),
    );
    expect(points).toEqual([
      {
        track: '1',
        timeMs: at(1),
        latitude: 48.1,
        longitude: 11.1,
        altitude: 520.5,
        bearing: 45.5,
        speed: 12.5,
        accuracy: undefined,
        battery: undefined,
      },
    ]);
  });

  test('1.1 has them in extensions', async () => {
    const extensions = `<extensions><gpxtpx:TrackPointExtension>
      <gpxtpx:speed>3.5</gpxtpx:speed><gpxtpx:course>270</gpxtpx:course>
      </gpxtpx:TrackPointExtension></extensions>`;
    const { points } = await read(gpx(`<trk><trkseg>${point(1, extensions)}</trkseg></trk>`));
    expect(points).toMatchObject([{ speed: 3.5, bearing: 270 }]);
  });

  test('with several tracks has several drivers, with several segments one', async () => {
    const { points, tracks } = await read(
      gpx(`
        <metadata><name>A day</name><time>2026-11-23T00:00:00Z</time></metadata>
        <wpt lat="1" lon="1"><name>Home</name></wpt>
        <trk><name>North &amp; South</name><trkseg>${point(1)}</trkseg><trkseg>${point(3)}</trkseg></trk>
        <trk><trkseg>${point(2)}</trkseg></trk>
        <trk><name>North &amp; South</name><trkseg>${point(4)}</trkseg></trk>`),
    );
    expect(points.map(({ track, timeMs }) => [track, timeMs])).toEqual([
      ['North & South', at(1)],
      ['2', at(2)],
      ['North & South', at(3)],
      ['North & South-3', at(4)],
    ]);
    expect(tracks).toEqual(['North & South', '2', 'North & South-3']);
  });

  test('gives bearings that it does not have from the way', async () => {
    const { points } = await read(gpx(`<trk><trkseg>${point(1)}${point(2)}</trkseg></trk>`));
    expect(points[1]?.bearing).toBeCloseTo(90, 0);
  });

  test('has points that are none: they are named with their line', async () => {
    const { points, notes } = await read(
      gpx(`<trk><trkseg>
<trkpt lat="48" lon="11"></trkpt>
<trkpt lat="48"><time>2026-11-23T10:00:00Z</time></trkpt>
<trkpt lat="48" lon="11"><time>soon</time></trkpt>
${point(5)}
</trkseg></trk>`),
    );
    expect(points).toHaveLength(1);
    expect(notes).toEqual([
      '3 rows hold no position and are left out:',
      '  line 4: no recordedAt',
      '  line 5: no longitude',
      '  line 6: time "soon" is not one that is known here',
    ]);
  });

  test('that was cut off is read up to there', async () => {
    const whole = gpx(`<trk><trkseg>\n${point(1)}\n${point(2)}\n${point(3)}</trkseg></trk>`);
    const { points, notes } = await read(
      whole.slice(0, whole.indexOf('</trkpt>', whole.indexOf('10:00:03'))),
    );
    expect(points.map(({ timeMs }) => timeMs)).toEqual([at(1), at(2)]);
    expect(notes.join('\n')).toMatch(/line \d+: not well-formed XML, nothing is read from here on/);
  });

  test('that is broken in the middle is read up to there', async () => {
    const { points } = await read(gpx(`<trk><trkseg>${point(1)}<oops></trkseg></trk><trk>${point(2)}</trk>`));
    expect(points).toHaveLength(1);
  });

  test('that is another kind of XML says so', async () => {
    await expect(read('<kml><Placemark/></kml>')).rejects.toThrow(/no position in/);
  });
});
