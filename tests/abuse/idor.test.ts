import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Role } from '../../shared/auth/identity.ts';
import { AbuseStage } from '../support/abuse-stage.ts';
import type { OpenApi } from '../support/openapi-requests.ts';
import { request } from '../support/platform.ts';
import { expectProblem } from '../support/rest.ts';
import { dropoff, pickup, type TripBody, type TripDesk, tripDesk } from '../support/trips.ts';

/** Nobody else is there. */
const place = { latitude: 48.30691234, longitude: 14.28581234 };

let stage: AbuseStage;
let desk: TripDesk;
let service: string;
/** The trip of somebody else; and one of those who attack. */
let victim: TripBody;
let foreign: TripBody;

beforeAll(async () => {
  stage = await AbuseStage.open({ OFFLINE_GRACE_MS: '600000' });
  stage.hidePlace(place);
  service = await stage.token('SERVICE', 'service-1');
  desk = tripDesk(stage.fleet.platform);
  const people = { riderId: 'alice', driverId: 'bob' };
  victim = await desk.bookIn('EN_ROUTE', { ...people, pickup: place, metadata: { note: 'of alice' } });
  foreign = await desk.book({ riderId: 'eve', driverId: 'dan' });
  await call(service, 'POST', '/v1/drivers/bob/location', place);
});
afterEach(() => stage?.bystander.expectUndisturbed());
afterAll(() => stage?.close());

const call = (bearer: string, method: string, path: string, body?: unknown) =>
  request(stage.fleet.platform, bearer, method, path, body);

/** A problem without the name of its request. */
const withoutInstance = (body: unknown) => ({ ...(body as object), instance: undefined });

describe('what is somebody else’s', () => {
  const strangers: [name: string, role: Role, sub: string][] = [
    ['another rider', 'RIDER', 'eve'],
    ['a rider who is called like the driver', 'RIDER', 'bob'],
    ['another driver', 'DRIVER', 'dan'],
    ['a driver who is called like the rider', 'DRIVER', 'alice'],
    ['a guest of another trip who is called like the rider', 'VIEWER', 'alice'],
    ['a guest of another trip who is called like the driver', 'VIEWER', 'bob'],
  ];

  type Known = { tripId: string; driverId: string; riderId: string };
  type Target = { operation: string; method: string; pathOf: (known: Known) => string; body: unknown };

  /** Every operation that is about one trip or one driver, with the body that the document shows; tomorrow's too. */
  let targets: Target[];

  beforeAll(async () => {
    const { paths } = (await call(service, 'GET', '/openapi.json')).body as OpenApi;
    targets = Object.entries(paths)
      .filter(([path]) => path.startsWith('/v1/') && /\{(tripId|driverId)\}/.test(path))
      .flatMap(([path, methods]) =>
        Object.entries(methods).map(([method, { requestBody, operationId }]) => ({
          operation: operationId,
          method: method.toUpperCase(),
          pathOf: ({ tripId, driverId }) => path.replace('{tripId}', tripId).replace('{driverId}', driverId),
          body: (requestBody?.content['application/json'] as { example?: unknown } | undefined)?.example,
        })),
      );
    expect(targets.length).toBeGreaterThanOrEqual(15);
  });

  test.each(strangers)('is not there for %s, on any route', async (_name, role, sub) => {
    const trips = role === 'VIEWER' ? { trips: [foreign.id] } : {};
    const bearer = await stage.token(role, sub, trips);
    const there = { tripId: victim.id, driverId: 'bob', riderId: 'alice' };
    const nowhere = { tripId: crypto.randomUUID(), driverId: 'nobody', riderId: 'nobody' };
    for (const { operation, method, pathOf, body } of targets) {
      const answer = await call(bearer, method, pathOf(there), body);
      expect({ operation, isRefused: [403, 404].includes(answer.status) }).toEqual({
        operation,
        isRefused: true,
      });
      stage.expectDiscreet(JSON.stringify(answer.body));
      // And nothing tells it from what there is not
      const other = await call(bearer, method, pathOf(nowhere), body);
      expect({ operation, status: answer.status, body: withoutInstance(answer.body) }).toEqual({
        operation,
        status: other.status,
        body: withoutInstance(other.body),
      });
    }
  });

  test.each(strangers)('is in no list for %s, and can not be asked for', async (_name, role, sub) => {
    const bearer = await stage.token(role, sub, role === 'VIEWER' ? { trips: [foreign.id] } : {});
    for (const query of ['', '?riderId=alice', '?driverId=bob', '?riderId=alice&driverId=bob']) {
      const { status, body } = await call(bearer, 'GET', `/v1/trips${query}`);
      if (status !== 200) expect(status).toBe(403);
      else expect((body as { items: TripBody[] }).items.filter(({ id }) => id === victim.id)).toEqual([]);
    }
    for (const path of [
      `/v1/drivers/nearby?latitude=${place.latitude}&longitude=${place.longitude}`,
      '/v1/connections',
      '/v1/connections?sub=alice',
    ])
      expectProblem(await call(bearer, 'GET', path), 403, 'FORBIDDEN');
    const until = new Date(Date.now() + 3_600_000).toISOString();
    expectProblem(await call(bearer, 'POST', '/v1/revocations', { sub: 'alice', until }), 403, 'FORBIDDEN');
    expectProblem(
      await call(bearer, 'POST', '/v1/trips', { riderId: 'mallory', pickup, dropoff }),
      403,
      'FORBIDDEN',
    );
  });

  test('is as it was', async () => {
    expect(await desk.trip(victim.id)).toEqual(victim);
    expect(await desk.events(victim.id)).toHaveLength(2);
    expect(await stage.fleet.history('bob')).toHaveLength(1);
    expect((await call(service, 'GET', '/v1/drivers/bob/location')).body).toMatchObject({
      ...place,
      status: 'ON_TRIP',
    });
  });
});
