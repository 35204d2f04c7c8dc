import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CuttableProxy, startCuttableProxy } from '../support/cuttable-proxy.ts';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { basic, ownTracksLocation, sendAsDevice, traccarJson } from '../support/devices.ts';
import { type Platform, startPlatform, token } from '../support/platform.ts';
import { type Answer, caller, sendRaw } from '../support/rest.ts';

let database: TestDatabase;
let proxy: CuttableProxy;
let platform: Platform;

/** Nobody else has these figures: where they turn up, a position has. */
const latitude = 48.20813577;
const longitude = 16.37159246;
const tokens: string[] = [];
const answers: Answer[] = [];

async function makeToken(...args: Parameters<typeof token>): Promise<string> {
  const made = await token(...args);
  tokens.push(made);
  return made;
}

/** Every way of a token through the doors, and every way to miss them. */
async function useEverything(): Promise<void> {
  const driver = await makeToken('DRIVER', 'driver-1');
  const bearers = [
    driver,
    await makeToken('SERVICE', 'service-1'),
    await makeToken('RIDER', 'rider-1'),
    await makeToken('DRIVER', 'driver-2', { ttlSeconds: -10 }),
    `${driver}x`,
    encodeURIComponent(`${driver}/`),
    `${driver}%`,
    `${driver}/more`,
    `${driver}/`,
  ];
  const place = { lat: latitude, lon: longitude };
  const query = `?lat=${latitude}&lon=${longitude}`;
  const ask = async (...message: Parameters<typeof sendAsDevice>) =>
    answers.push(await sendAsDevice(...message));
  for (const bearer of bearers) {
    for (const body of [ownTracksLocation(place), ownTracksLocation({ ...place, vel: 'x' }), `${latitude}`]) {
      await ask(platform, { path: `/owntracks/${bearer}`, body });
      await ask(platform, { path: '/owntracks', headers: { authorization: basic('x', bearer) }, body });
    }
    for (const method of ['GET', 'POST', 'PUT', 'OPTIONS'])
      for (const path of [
        `/osmand/${bearer}${query}`,
        `/osmand/${bearer}${query}&speed=x`,
        `/osmnd/${bearer}`,
      ])
        await ask(platform, { method, path });
    await ask(platform, {
      path: `/osmand/${bearer}`,
      body: traccarJson({ coords: { latitude, longitude } }),
    });
    await ask(platform, { path: `/osmand/${bearer}`, body: `{"location":${latitude},` });
    await ask(platform, { path: `/v1/osmand/${bearer}` });
    await ask(platform, {
      path: `/osmand/${bearer}`,
      headers: { 'Content-Type': 'text/plain; charset=nonsense' },
      body: 'x',
    });
  }
  await sendRaw(platform.ports.api, `POST /owntracks/${driver} NONSENSE\r\n\r\n`);
  await sendRaw(platform.ports.api, `GET /osmand/${driver}${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`);
}

/** What a device sends when the platform can keep no more: it must not be told that it was kept. */
let overloaded: Answer[];

async function fillTheQueue(): Promise<void> {
  const { post } = caller(platform, await makeToken('SERVICE', 'filler'));
  await proxy.cut();
  const start = Date.now() - 3_600_000;
  const batches = [0, 1].map((batch) =>
    post(
      '/v1/drivers/filler/locations',
      Array.from({ length: 500 }, (_, index) => ({
        latitude,
        longitude,
        recordedAt: start + (batch * 500 + index) * 1000,
      })),
    ),
  );
  while (
    !/^fleetcast_log_entries 1000$/m.test(await (await fetch(`${platform.urls.metrics}/metrics`)).text())
  );
  const bearer = await makeToken('DRIVER', 'late');
  overloaded = await Promise.all([
    sendAsDevice(platform, { path: `/owntracks/${bearer}`, body: ownTracksLocation() }),
    sendAsDevice(platform, { path: `/osmand/${bearer}?lat=1&lon=2` }),
  ]);
  await proxy.restore();
  await Promise.all(batches);
}

beforeAll(async () => {
  database = await createMigratedDatabase();
  proxy = await startCuttableProxy(database.url);
  platform = await startPlatform({
    DATABASE_URL: proxy.url,
    LOG_LEVEL: 'trace',
    MAX_QUEUED_POSITIONS: '1000',
  });
  await useEverything();
  await fillTheQueue();
});
afterAll(async () => {
  await platform?.stop();
  await proxy?.cut();
  await database?.drop();
});

const parts = () => tokens.flatMap((made) => made.split('.').slice(1));

describe('the output of the process, at its most talkative', () => {
  const output = () => platform.output.join('\n');

  test('tells what happened', () => {
    expect(output()).toMatch(/"msg":"positions could not be stored; trying again"/);
  });

  test('holds no token, not even a part of one', () => {
    for (const part of parts()) expect(output()).not.toContain(part);
  });

  test('holds no position', () => {
    for (const degrees of [latitude, longitude]) expect(output()).not.toContain(String(degrees).slice(0, 7));
  });
});

test('the answers were of every kind, and hold no token either', () => {
  expect([...new Set(answers.map(({ status }) => status))].sort()).toEqual(
    expect.arrayContaining([200, 400, 401, 403, 404, 405, 415]),
  );
  expect(Math.max(...answers.map(({ status }) => status))).toBeLessThan(500);
  for (const { body, headers } of answers)
    for (const part of parts()) expect(JSON.stringify([body, ...headers])).not.toContain(part);
});

test('what the platform can not keep is 503: the app has it still, and sends it again', () => {
  expect(overloaded.map(({ status, body }) => ({ status, code: (body as { code: string }).code }))).toEqual([
    { status: 503, code: 'OVERLOADED' },
    { status: 503, code: 'OVERLOADED' },
  ]);
  for (const { headers } of overloaded) expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
});
