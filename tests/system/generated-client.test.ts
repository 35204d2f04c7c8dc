import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from '../support/child-process.ts';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { type Platform, request, startPlatform, token } from '../support/platform.ts';
import type { TripBody } from '../support/trips.ts';

/*
 * tests/client is what a user makes of /openapi.json: types by openapi-typescript, a program on them with openapi-fetch, and
 * TypeScript 5 to check it.
 */

const FOLDER = fileURLToPath(new URL('../client/', import.meta.url));

let database: TestDatabase;
let platform: Platform;

/** A script of tests/client, as its user runs it. */
async function script(name: string, env: Record<string, string> = {}) {
  const child = spawn('npm', ['run', '--silent', name], {
    cwd: FOLDER,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, PLATFORM_URL: platform.urls.rest, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  return { status, stdout, stderr };
}

beforeAll(async () => {
  database = await createMigratedDatabase();
  platform = await startPlatform({ DATABASE_URL: database.url });
  // Types of an earlier run would hide that none were made
  await rm(`${FOLDER}generated`, { recursive: true, force: true });
  const generated = await script('generate');
  if (generated.status !== 0) throw new Error(generated.stderr);
}, 120_000);

afterAll(async () => {
  await platform?.stop();
  await database?.drop();
});

describe('a client generated from the OpenAPI document', () => {
  test('knows every body by its fields', async () => {
    const types = await readFile(`${FOLDER}generated/api.ts`, 'utf8');
    const bodies = types.match(/"application\/[a-z+]*json": (\{\s*\[.*|.*)/g) ?? [];
    expect(bodies.length).toBeGreaterThan(100);
    const vague = bodies.filter((body) => /unknown|never|: (string|object);/.test(body));
    expect(vague.map((body) => body.replace(/^"[^"]+": \{?\s*/, '')).sort()).toEqual([
      // OwnTracks is answered with an empty list, at two addresses
      'Record<string, never>[];',
      'Record<string, never>[];',
      // The two documents themselves
      '[key: string]: unknown;',
      '[key: string]: unknown;',
    ]);
  });

  test('type-checks under strict', async () => {
    expect(await script('types')).toMatchObject({ status: 0, stdout: '' });
  });

  test('finds every mistake in a program, and nothing else wrong with it', async () => {
    const { status, stdout } = await script('mistakes');
    const program = (await readFile(`${FOLDER}mistakes.ts`, 'utf8')).split('\n');
    const mistaken = program.flatMap((line, index) => (line.startsWith('// mistake:') ? [index + 2] : []));
    const reported = [...stdout.matchAll(/^mistakes\.ts\((\d+),\d+\): error/gm)].map(([, line]) =>
      Number(line),
    );
    expect(status).not.toBe(0);
    expect(mistaken.length).toBeGreaterThan(15);
    expect(reported).toEqual(mistaken);
  });

  test('drives one whole trip', async () => {
    const service = await token('SERVICE', 'booking');
    const driven = await script('drive', {
      BOOKING_TOKEN: service,
      DRIVER_TOKEN: await token('DRIVER', 'driver-of-the-client'),
      RIDER_TOKEN: await token('RIDER', 'rider-of-the-client'),
    });
    expect(driven).toMatchObject({ status: 0, stderr: '' });
    const seen = JSON.parse(driven.stdout);
    const trip = (await request(platform, service, 'GET', `/v1/trips/${seen.tripId}`)).body as TripBody;

    expect(seen.statuses).toEqual(['PENDING', 'EN_ROUTE', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED']);
    expect(trip).toMatchObject({
      status: 'COMPLETED',
      riderId: 'rider-of-the-client',
      driverId: 'driver-of-the-client',
      metadata: { seats: 2 },
      distanceMeters: seen.distanceMeters,
    });
    // Three points of the way on board, measured on the map
    expect(seen.distanceMeters).toBeGreaterThan(1650);
    expect(seen.distanceMeters).toBeLessThan(1800);
    expect(seen.nearby).toEqual(['driver-of-the-client']);
    expect(seen.seenByFriend).toMatchObject({ tripId: seen.tripId, status: 'IN_PROGRESS' });
    expect(seen.ended).toEqual([seen.tripId]);
    expect(seen.events).toEqual([
      [null, 'PENDING'],
      ['PENDING', 'PENDING'],
      ['PENDING', 'EN_ROUTE'],
      ['EN_ROUTE', 'ARRIVED'],
      ['ARRIVED', 'IN_PROGRESS'],
      ['IN_PROGRESS', 'COMPLETED'],
    ]);

    // One position before the trip, one to the pickup, three on board; two pages of two
    expect(seen.track).toHaveLength(4);
    expect(seen.track.slice(1)).toEqual(seen.onBoard);
    expect(seen.history).toHaveLength(4);
    expect(seen.history.slice(1)).toEqual(seen.track.slice(0, 3));
    expect(seen.line).toEqual([
      [
        [16.3732, 48.2077],
        [16.3755, 48.2091],
        [16.3856, 48.2128],
        [16.3957, 48.2166],
      ],
    ]);
    expect(seen.refusals).toEqual({
      missing: 'TRIP_NOT_FOUND',
      wrongFields: ['/latitude', '/longitude'],
      advice: ['the trip has gone on', 'read it again'],
    });
  });
});
