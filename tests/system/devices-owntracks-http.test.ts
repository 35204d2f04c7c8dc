import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  basic,
  type DeviceRequest,
  latestPosition,
  otherOwnTracksMessages,
  ownTracksLocation,
  seconds,
  sendAsDevice,
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

/** As the app posts it. */
const post = (authorization: string, body: string, more: Partial<DeviceRequest> = {}) =>
  sendAsDevice(fleet.platform, {
    path: '/owntracks',
    body,
    ...more,
    headers: { 'Content-Type': 'application/json; charset=utf-8', authorization, ...more.headers },
  });
const postAs = async (sub: string, body: string, more: Partial<DeviceRequest> = {}) =>
  post(basic(sub, await token('DRIVER', sub)), body, more);

function expectTaken({ status, headers, body }: Answer): void {
  expect({ status, body }).toEqual({ status: 200, body: [] });
  expect(headers.get('content-type')).toMatch(/^application\/json\b/);
  expect(headers.get('cache-control')).toBe('no-store');
}

const latest = (driverId: string) => latestPosition(fleet.platform, driverId);

describe('a location', () => {
  test.each([
    [
      'as the Basic password',
      (bearer: string) => ({ path: '/owntracks', authorization: basic('jane', bearer) }),
    ],
    [
      'as Authorization: Bearer',
      (bearer: string) => ({ path: '/owntracks', authorization: `Bearer ${bearer}` }),
    ],
    ["as the path's last part", (bearer: string) => ({ path: `/owntracks/${bearer}` })],
    [
      'in the path, whatever else the app is set to',
      (bearer: string) => ({ path: `/owntracks/${bearer}`, authorization: basic('jane', 'password') }),
    ],
  ])('is taken with the token %s', async (way, door) => {
    const driver = `by-${way.length}`;
    const operator = await fleet.subscriber('OPERATOR', 'operator-1', `drivers/${driver}/location`);
    const { path, ...headers } = door(await token('DRIVER', driver));
    expectTaken(
      await sendAsDevice(fleet.platform, { path, headers, body: ownTracksLocation({ vel: 61, cog: 271 }) }),
    );
    const seen = { driverId: driver, latitude: 48.2082, longitude: 16.3738, speed: 16.944, bearing: 271 };
    expect(await operator.next(() => true)).toMatchObject({ payload: seen });
    expect(await latest(driver)).toMatchObject({ status: 200, body: seen });
  });

  test("is its token's driver's, whoever the app says it is", async () => {
    const body = ownTracksLocation({ topic: 'owntracks/somebody/phone' });
    expectTaken(await postAs('honest', body, { headers: { 'X-Limit-U': 'somebody', 'X-Limit-D': 'phone' } }));
    expect(await latest('honest')).toMatchObject({ status: 200 });
    expect(await latest('somebody')).toMatchObject({ status: 404 });
  });

  test("is of whom a service's bridge names", async () => {
    const bridge = `Bearer ${await token('SERVICE', 'bridge')}`;
    const headers = { 'X-Limit-U': 'by-header' };
    expectTaken(await post(bridge, ownTracksLocation({ topic: 'owntracks/http/JJ' }), { headers }));
    expectTaken(await post(bridge, ownTracksLocation({ topic: 'owntracks/by-topic/phone' })));
    for (const driver of ['by-header', 'by-topic'])
      expect(await latest(driver)).toMatchObject({ status: 200, body: { driverId: driver } });
    for (const named of [{}, { 'X-Limit-U': 'a/b' }, { 'X-Limit-U': 'x'.repeat(65) }])
      expect(
        wrongFields(
          expectProblem(await post(bridge, ownTracksLocation(), { headers: named }), 400, 'INVALID_PAYLOAD'),
        ),
      ).toEqual(['/id']);
  });

  test('is taken with any Content-Type, or none', async () => {
    for (const headers of [
      {},
      { 'Content-Type': 'application/x-www-form-urlencoded' },
      { 'Content-Type': 'text/plain' },
    ])
      expectTaken(
        await sendAsDevice(fleet.platform, {
          path: `/owntracks/${await token('DRIVER', 'careless')}`,
          headers,
          body: ownTracksLocation({ tst: seconds(Date.now()) - 60 - Object.keys(headers).length }),
        }),
      );
    expect((await fleet.history('careless')).length).toBeGreaterThan(0);
  });

  test('sent again after a lost answer is stored once', async () => {
    const body = ownTracksLocation();
    for (let count = 0; count < 3; count++) expectTaken(await postAs('resender', body));
    expect(await fleet.history('resender')).toHaveLength(1);
  });

  test('kept while there was no network is stored whole, whatever the limit for live positions', async () => {
    const start = seconds(Date.now()) - 3600;
    for (let second = 0; second < 20; second++)
      expectTaken(await postAs('tunnel', ownTracksLocation({ tst: start + second })));
    expectTaken(await postAs('tunnel', ownTracksLocation()));
    expect(await fleet.history('tunnel')).toHaveLength(21);
  });
});

test('everything else that the app sends is answered with an empty list, and leaves nothing behind', async () => {
  for (const { payload } of otherOwnTracksMessages) expectTaken(await postAs('talker', payload));
  expect(await latest('talker')).toMatchObject({ status: 404 });
});

describe('what can never be kept is answered with an empty list, or the app would send it for ever;', () => {
  test.each([
    ['a latitude of 91', ownTracksLocation({ lat: 91 }), 'INVALID_PAYLOAD'],
    ['no type', '{"lat":1,"lon":2}', 'INVALID_PAYLOAD'],
    ['a time of last year', ownTracksLocation({ tst: seconds(Date.now()) - 31_536_000 }), 'TOO_OLD'],
    ['a time of tomorrow', ownTracksLocation({ tst: seconds(Date.now()) + 86_400 }), 'IN_FUTURE'],
  ])('%s is reported to the driver', async (_what, body, code) => {
    const driver = await fleet.subscriber('DRIVER', 'faulty', 'drivers/faulty/errors', 1);
    expectTaken(await postAs('faulty', body));
    expect(errorOf(await driver.next(isError(code)))).toMatchObject({ topic: '/owntracks' });
    expect(await fleet.history('faulty')).toEqual([]);
    await driver.end();
  });

  test('what is over the limit for live positions too', async () => {
    const driver = await fleet.subscriber('DRIVER', 'hasty', 'drivers/hasty/errors', 1);
    expectTaken(await postAs('hasty', ownTracksLocation()));
    expectTaken(await postAs('hasty', ownTracksLocation({ tst: seconds(Date.now()) + 5 })));
    expect(errorOf(await driver.next(isError('RATE_LIMITED'))).retryAfterMs).toBeGreaterThan(0);
    expect(await fleet.history('hasty')).toHaveLength(1);
  });
});

describe('a request is refused', () => {
  const challenges = 'Bearer realm="fleetcast", Basic realm="fleetcast", charset="UTF-8"';

  test.each([
    ['without a token', () => ({})],
    ['with a bad Basic password', () => ({ headers: { authorization: basic('jane', 'password') } })],
    ['with an empty Basic password', () => ({ headers: { authorization: basic('jane', '') } })],
    ['with Basic credentials that are none', () => ({ headers: { authorization: 'Basic ???' } })],
    ['with a bad bearer token', () => ({ headers: { authorization: 'Bearer a.b.c' } })],
    ['with a bad token in the path', () => ({ path: '/owntracks/a.b.c' })],
    ['with a scheme that is not known', () => ({ headers: { authorization: 'Digest x' } })],
    [
      'with an expired token',
      async () => ({ path: `/owntracks/${await token('DRIVER', 'late', { ttlSeconds: -10 })}` }),
    ],
  ])('%s', async (_what, door: () => Partial<DeviceRequest> | Promise<Partial<DeviceRequest>>) => {
    const answer = await sendAsDevice(fleet.platform, {
      path: '/owntracks',
      body: ownTracksLocation(),
      ...(await door()),
    });
    expectProblem(answer, 401, 'UNAUTHORIZED');
    expect(answer.headers.get('www-authenticate')).toBe(challenges);
  });

  test.each(['RIDER', 'VIEWER', 'OPERATOR'] as const)('with the token of a %s', async (role) => {
    const bearer = await token(role, 'other', role === 'VIEWER' ? { trips: ['t'] } : {});
    expectProblem(await post(`Bearer ${bearer}`, ownTracksLocation()), 403, 'FORBIDDEN');
    expect(await latest('other')).toMatchObject({ status: 404 });
  });

  test('when it is no JSON, too large, or no POST', async () => {
    for (const body of ['', 'lat=1', ownTracksLocation().slice(1)])
      expectProblem(await postAs('odd', body), 400, 'INVALID_PAYLOAD');
    expectProblem(
      await postAs('odd', ownTracksLocation({ tid: 'x'.repeat(65_536) })),
      413,
      'PAYLOAD_TOO_LARGE',
    );
    for (const path of ['/owntracks', '/owntracks/token']) {
      const answer = await sendAsDevice(fleet.platform, { method: 'GET', path });
      expectProblem(answer, 405, 'METHOD_NOT_ALLOWED');
      expect(answer.headers.get('allow')).toBe('POST');
    }
    expect(await latest('odd')).toMatchObject({ status: 404 });
  });
});
