import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  basic,
  type DeviceRequest,
  latestPosition,
  osmAndQuery,
  seconds,
  sendAsDevice,
  traccarJson,
} from '../support/devices.ts';
import { errorOf, type Fleet, isError, startFleet } from '../support/fleet.ts';
import { token } from '../support/platform.ts';
import { type Answer, expectProblem, wrongFields } from '../support/rest.ts';

let fleet: Fleet;

/** One live position an hour: what gets through beside is a backlog. */
beforeAll(async () => {
  fleet = await startFleet({ LOCATION_MIN_INTERVAL_MS: '3600000' });
});
afterAll(() => fleet?.stop());

const latest = (driverId: string) => latestPosition(fleet.platform, driverId);
const send = (message: DeviceRequest) => sendAsDevice(fleet.platform, message);

function expectTaken({ status, headers, body }: Answer): void {
  expect({ status, body }).toEqual({ status: 200, body: undefined });
  expect(headers.get('cache-control')).toBe('no-store');
  // Not in chunks, which simple trackers can't read
  expect(headers.get('content-length')).toBe('0');
}

const fields = {
  latitude: 48.2082,
  longitude: 16.3738,
  bearing: 181.5,
  altitude: 171,
  accuracy: 4.5,
  battery: 79,
};

const asJson = { 'Content-Type': 'application/json' };

type Door = (bearer: string) => DeviceRequest;

const doors: [string, Door, number][] = [
  [
    'GET with the token in the path',
    (bearer) => ({ method: 'GET', path: `/osmand/${bearer}?${osmAndQuery()}` }),
    12.501,
  ],
  ['POST with the query in the URL', (bearer) => ({ path: `/osmand/${bearer}?${osmAndQuery()}` }), 12.501],
  [
    'POST with a form',
    (bearer) => ({
      path: `/osmand/${bearer}`,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: osmAndQuery(),
    }),
    12.501,
  ],
  [
    'POST with a form that does not say so',
    (bearer) => ({ path: `/osmand/${bearer}`, body: osmAndQuery() }),
    12.501,
  ],
  [
    'GET with the token as Basic password',
    (bearer) => ({
      method: 'GET',
      path: `/osmand?${osmAndQuery()}`,
      headers: { authorization: basic('driver', bearer) },
    }),
    12.501,
  ],
  [
    'GET with the token as Authorization: Bearer',
    (bearer) => ({
      method: 'GET',
      path: `/osmand?${osmAndQuery()}`,
      headers: { authorization: `Bearer ${bearer}` },
    }),
    12.501,
  ],
  ['POST with JSON', (bearer) => ({ path: `/osmand/${bearer}`, headers: asJson, body: traccarJson() }), 12.5],
  [
    'POST with JSON that does not say so',
    (bearer) => ({ path: `/osmand/${bearer}`, body: traccarJson() }),
    12.5,
  ],
];

describe('a position', () => {
  test.each(doors.map(([way, door, speed], index) => ({ way, door, speed, driver: `door-${index}` })))(
    'by $way is taken, in our units',
    async ({ door, speed, driver }) => {
      const operator = await fleet.subscriber('OPERATOR', 'operator-1', 'drivers/+/location');
      expectTaken(await send(door(await token('DRIVER', driver))));
      const seen = await operator.next(({ topic }) => topic === `drivers/${driver}/location`);
      expect(seen).toMatchObject({ payload: { ...fields, speed, driverId: driver } });
      expect(await latest(driver)).toMatchObject({
        status: 200,
        body: { ...fields, speed, driverId: driver },
      });
      expect(await latest('485321')).toMatchObject({ status: 404 });
      await operator.end();
    },
  );

  test.each([
    ['seconds', (ms: number) => String(seconds(ms)), 1000],
    ['milliseconds', (ms: number) => String(ms), 1],
    ['ISO 8601', (ms: number) => new Date(ms).toISOString(), 1],
    ['yyyy-MM-dd HH:mm:ss', (ms: number) => new Date(ms).toISOString().slice(0, 19).replace('T', '+'), 1000],
  ])('has its time in %s', async (name, write, precision) => {
    const now = Date.now() - 60_000;
    const driver = `time-${name.length}`;
    const path = `/osmand/${await token('DRIVER', driver)}?lat=1&lon=2&timestamp=${write(now)}`;
    expectTaken(await send({ method: 'GET', path }));
    expect(await latest(driver)).toMatchObject({
      body: { recordedAt: new Date(Math.floor(now / precision) * precision).toISOString() },
    });
  });

  test("is of whom a service's gateway names", async () => {
    const gateway = await token('SERVICE', 'gateway');
    expectTaken(await send({ method: 'GET', path: `/osmand/${gateway}?id=by-id&lat=1&lon=2` }));
    expectTaken(await send({ method: 'GET', path: `/osmand/${gateway}?deviceid=by-deviceid&lat=1&lon=2` }));
    expectTaken(
      await send({ path: `/osmand/${gateway}`, headers: asJson, body: traccarJson({}, 'by-device_id') }),
    );
    for (const driver of ['by-id', 'by-deviceid', 'by-device_id'])
      expect(await latest(driver)).toMatchObject({ status: 200, body: { driverId: driver } });
    for (const id of ['', 'id=', 'id=a/b', `id=${'x'.repeat(65)}`])
      expectProblem(
        await send({ method: 'GET', path: `/osmand/${gateway}?${id}&lat=1&lon=2` }),
        400,
        'INVALID_PAYLOAD',
      );
  });

  test('sent again after a lost answer is stored once', async () => {
    const path = `/osmand/${await token('DRIVER', 'resender')}?${osmAndQuery()}`;
    for (let count = 0; count < 3; count++) expectTaken(await send({ method: 'GET', path }));
    expect(await fleet.history('resender')).toHaveLength(1);
  });

  test('kept while there was no network is stored whole, whatever the limit for live positions', async () => {
    const bearer = await token('DRIVER', 'tunnel');
    const start = seconds(Date.now()) - 3600;
    for (let second = 0; second < 20; second++)
      expectTaken(await send({ path: `/osmand/${bearer}?lat=1&lon=2&timestamp=${start + second}` }));
    expectTaken(await send({ path: `/osmand/${bearer}?${osmAndQuery()}` }));
    expect(await fleet.history('tunnel')).toHaveLength(21);
  });
});

describe('what its app would send for ever is answered with 200, and not stored:', () => {
  test.each([
    ['a time of last year', () => `lat=1&lon=2&timestamp=${seconds(Date.now()) - 31_536_000}`, 'TOO_OLD'],
    ['a time of tomorrow', () => `lat=1&lon=2&timestamp=${seconds(Date.now()) + 86_400}`, 'IN_FUTURE'],
  ])('%s, which is reported to the driver', async (_what, parameters, code) => {
    const driver = await fleet.subscriber('DRIVER', 'faulty', 'drivers/faulty/errors', 1);
    const path = `/osmand/${await token('DRIVER', 'faulty')}?${parameters()}`;
    expectTaken(await send({ method: 'GET', path }));
    expect(errorOf(await driver.next(isError(code)))).toMatchObject({ topic: '/osmand' });
    expect(await latest('faulty')).toMatchObject({ status: 404 });
    await driver.end();
  });

  test('what is over the limit for live positions', async () => {
    const driver = await fleet.subscriber('DRIVER', 'hasty', 'drivers/hasty/errors', 1);
    const bearer = await token('DRIVER', 'hasty');
    for (let count = 0; count < 2; count++)
      expectTaken(await send({ method: 'GET', path: `/osmand/${bearer}?lat=1&lon=2` }));
    await driver.next(isError('RATE_LIMITED'));
    expect(await fleet.history('hasty')).toHaveLength(1);
  });

  test('what holds no position', async () => {
    const bearer = await token('DRIVER', 'silent');
    for (const parameters of ['lat=1&lon=2&valid=false', 'cell=257,02,16,2224&wifi=00-14-22-01-23-45,-80'])
      expectTaken(await send({ method: 'GET', path: `/osmand/${bearer}?id=1&${parameters}` }));
    expectTaken(
      await send({ path: `/osmand/${bearer}`, headers: asJson, body: traccarJson({ coords: null }) }),
    );
    expect(await latest('silent')).toMatchObject({ status: 404 });
  });
});

describe('a request is refused', () => {
  test.each([
    ['lat=x&lon=181', ['/latitude', '/longitude']],
    ['id=1', ['/latitude', '/longitude']],
    ['lat=1&lon=2&speed=fast&batt=full', ['/battery', '/speed']],
    ['lat=1&lon=2&timestamp=noon', ['/recordedAt']],
    ['lat=1&lat=2&lon=3', ['lat']],
  ])('%s: 400 with every wrong field', async (parameters, wrong) => {
    const path = `/osmand/${await token('DRIVER', 'odd')}?${parameters}`;
    const answer = await send({ method: 'GET', path });
    const code = wrong[0] === 'lat' ? 'INVALID_PARAMETER' : 'INVALID_PAYLOAD';
    expect(wrongFields(expectProblem(answer, 400, code))).toEqual(wrong);
    expect(await latest('odd')).toMatchObject({ status: 404 });
  });

  test.each([
    ['JSON cut off', traccarJson().slice(0, -3), 400, 'INVALID_PAYLOAD'],
    ['JSON without a location', '{"device_id":"1"}', 400, 'INVALID_PAYLOAD'],
    ['a list', '[]', 400, 'INVALID_PAYLOAD'],
    ['a body of 65 KiB', traccarJson({ _: 'x'.repeat(65_536) }), 413, 'PAYLOAD_TOO_LARGE'],
  ])('%s', async (_what, body, status, code) => {
    const path = `/osmand/${await token('DRIVER', 'odd')}`;
    expectProblem(await send({ path, headers: asJson, body }), status, code);
  });

  test('without a good token, with 401 and both ways to give one', async () => {
    for (const message of [
      { method: 'GET', path: `/osmand?${osmAndQuery()}` },
      { method: 'GET', path: `/osmand/a.b.c?${osmAndQuery()}` },
      {
        path: `/osmand/${await token('DRIVER', 'late', { ttlSeconds: -10 })}`,
        headers: asJson,
        body: traccarJson(),
      },
      { path: '/osmand', headers: { authorization: basic('driver', 'password') }, body: osmAndQuery() },
    ]) {
      const answer = await send(message);
      expectProblem(answer, 401, 'UNAUTHORIZED');
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer .*, Basic /);
    }
  });

  test.each(['RIDER', 'OPERATOR'] as const)('with the token of a %s', async (role) => {
    const path = `/osmand/${await token(role, 'other')}?${osmAndQuery()}`;
    expectProblem(await send({ method: 'GET', path }), 403, 'FORBIDDEN');
  });

  test('with another method, or further down', async () => {
    const answer = await send({ method: 'PUT', path: '/osmand' });
    expectProblem(answer, 405, 'METHOD_NOT_ALLOWED');
    expect(answer.headers.get('allow')).toBe('GET, HEAD, POST');
    expectProblem(
      await send({ path: `/osmand/${await token('DRIVER', 'odd')}/more?${osmAndQuery()}` }),
      404,
      'NOT_FOUND',
    );
  });
});
