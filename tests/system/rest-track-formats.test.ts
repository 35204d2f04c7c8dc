import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { pointsOfGpx, timesOfGpx } from '../support/gpx.ts';
import { type Platform, request, startPlatform, token } from '../support/platform.ts';
import { caller } from '../support/rest.ts';
import { tripDesk } from '../support/trips.ts';

let database: TestDatabase;
let platform: Platform;
let service: string;

beforeAll(async () => {
  database = await createMigratedDatabase();
  platform = await startPlatform({ DATABASE_URL: database.url });
  service = await token('SERVICE', 'exports');
});
afterAll(async () => {
  await platform?.stop();
  await database?.drop();
});

const start = Date.now() - 60_000;
const iso = (second: number) => new Date(start + second * 1000).toISOString();

/** What makes trouble when it is written: exponents, the edges, nothing at all. */
const awkward = [
  { latitude: 1e-7, longitude: -1e-9, altitude: 1e21, speed: 1e-7, bearing: 1e-8 },
  { latitude: -90, longitude: 180, altitude: -1e-10, bearing: 359.999 },
  { latitude: 90, longitude: -180, speed: 0, battery: 50, accuracy: 3 },
  { latitude: -0, longitude: 0 },
];

async function record(driverId: string, rows: readonly object[]): Promise<void> {
  const batch = rows.map((row, second) => ({ ...row, recordedAt: iso(second) }));
  expect(
    (await caller(platform, service).post(`/v1/drivers/${driverId}/locations`, batch)).body,
  ).toMatchObject({
    accepted: rows.length,
  });
}

/** In a format, as text, with its type. */
async function exported(path: string): Promise<{ type: string; text: string }> {
  const response = await fetch(`${platform.urls.rest}${path}`, {
    headers: { authorization: `Bearer ${service}` },
  });
  expect(response.status).toBe(200);
  return { type: response.headers.get('content-type') ?? '', text: await response.text() };
}

describe('a history', () => {
  beforeAll(() => record('formats-1', awkward));

  test('as GPX is valid GPX 1.1, whatever was recorded', async () => {
    const { type, text } = await exported('/v1/drivers/formats-1/history?format=gpx');
    expect(type).toMatch(/^application\/gpx\+xml\b/);
    const points = pointsOfGpx(text);
    expect(timesOfGpx(points)).toEqual(awkward.map((_row, second) => iso(second)));
    expect(Number(points[0]?.attributes.lat)).toBe(1e-7);
    expect(Number(points[1]?.attributes.lon)).toBe(-180);
    expect(Number(points[0]?.children[0]?.text)).toBe(1e21);
  });

  test('as GeoJSON is a collection of points, longitude first', async () => {
    const { body, headers } = await request(
      platform,
      service,
      'GET',
      '/v1/drivers/formats-1/history?format=geojson',
    );
    expect(headers.get('content-type')).toMatch(/^application\/geo\+json\b/);
    const { type, features } = body as { type: string; features: unknown[] };
    expect(type).toBe('FeatureCollection');
    expect(features).toEqual(
      awkward.map(({ latitude, longitude, altitude, ...rest }, second) => ({
        type: 'Feature',
        geometry: {
          type: 'Point',
          coordinates: [longitude, latitude + 0, ...(altitude === undefined ? [] : [altitude])],
        },
        properties: expect.objectContaining({ ...rest, driverId: 'formats-1', recordedAt: iso(second) }),
      })),
    );
  });

  test('as CSV has a header and a line for each, with what it does not know left empty', async () => {
    const { type, text } = await exported('/v1/drivers/formats-1/history?format=csv');
    expect(type).toMatch(/^text\/csv\b/);
    const [header, ...lines] = text.split('\r\n');
    expect(header?.split(',').slice(0, 5)).toEqual([
      'driverId',
      'recordedAt',
      'receivedAt',
      'latitude',
      'longitude',
    ]);
    expect(lines.pop()).toBe('');
    expect(lines.map((line) => line.split(',')[1])).toEqual(awkward.map((_row, second) => iso(second)));
    for (const line of lines) expect(line.split(',')).toHaveLength(header?.split(',').length ?? 0);
    expect(lines[3]).toMatch(/,0,0,,,,,,$/);
  });

  test.each(['gpx', 'geojson', 'csv'])('that is empty is a whole %s document', async (format) => {
    const { text } = await exported(`/v1/drivers/nobody/history?format=${format}`);
    if (format === 'gpx') expect(pointsOfGpx(text)).toEqual([]);
    if (format === 'geojson') expect(JSON.parse(text)).toEqual({ type: 'FeatureCollection', features: [] });
    if (format === 'csv') expect(text.split('\r\n')).toHaveLength(2);
  });

  test('as a document ends at the limit, and goes on from a cursor', async () => {
    const page = await caller(platform, service).get('/v1/drivers/formats-1/history?limit=2');
    const { nextCursor } = page.body as { nextCursor: string };
    const first = await exported('/v1/drivers/formats-1/history?format=gpx&limit=2');
    const rest = await exported(`/v1/drivers/formats-1/history?format=gpx&cursor=${nextCursor}`);
    expect(timesOfGpx(pointsOfGpx(first.text))).toEqual([iso(0), iso(1)]);
    expect(timesOfGpx(pointsOfGpx(rest.text))).toEqual([iso(2), iso(3)]);
  });
});

test('a track as GeoJSON is one Feature, whose lines do not cross the antimeridian', async () => {
  const desk = tripDesk(platform);
  const { id } = await desk.bookIn('EN_ROUTE', { driverId: 'line-1' });
  const empty = await request(platform, service, 'GET', `/v1/trips/${id}/track?format=geojson`);
  expect(empty.body).toMatchObject({
    type: 'Feature',
    geometry: { type: 'MultiLineString', coordinates: [] },
  });
  for (const longitude of [179.9, 179.95, -179.95])
    await caller(platform, service).post('/v1/drivers/line-1/location', { latitude: 10, longitude });
  const { body } = await request(platform, service, 'GET', `/v1/trips/${id}/track?format=geojson`);
  expect(body).toMatchObject({
    type: 'Feature',
    properties: { tripId: id, driverId: 'line-1' },
    geometry: {
      type: 'MultiLineString',
      coordinates: [
        [
          [179.9, 10],
          [179.95, 10],
        ],
        [
          [-179.95, 10],
          [-179.95, 10],
        ],
      ],
    },
  });
  expect(pointsOfGpx((await exported(`/v1/trips/${id}/track?format=gpx`)).text)).toHaveLength(3);
});
