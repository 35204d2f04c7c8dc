import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Role } from '../../shared/auth/identity.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { request, token } from '../support/platform.ts';
import { expectProblem, wrongFields } from '../support/rest.ts';
import { insertTrips, type TripBody, type TripDesk, tripDesk } from '../support/trips.ts';

let fleet: Fleet;
let desk: TripDesk;

beforeAll(async () => {
  fleet = await startFleet();
  desk = tripDesk(fleet.platform);
});
afterAll(() => fleet?.stop());

const get = async (role: Role, sub: string, path: string, trips: string[] = []) =>
  request(fleet.platform, await token(role, sub, role === 'VIEWER' ? { trips } : {}), 'GET', path);

type Page = { items: TripBody[]; nextCursor: string | null };

async function list(role: Role, sub: string, query = ''): Promise<Page> {
  const { status, body } = await get(role, sub, `/v1/trips?${query}`);
  expect(status).toBe(200);
  return body as Page;
}

/** Every page of a query, and what happens between two of them. */
async function pages(
  query: string,
  between: () => Promise<unknown> = async () => undefined,
): Promise<TripBody[]> {
  const items: TripBody[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: Page = await list('SERVICE', 'desk', `${query}${cursor === '' ? '' : `&cursor=${cursor}`}`);
    items.push(...page.items);
    cursor = page.nextCursor;
    await between();
  }
  return items;
}

const ids = (trips: readonly { id: string }[]) => trips.map(({ id }) => id);

describe('GET /v1/trips', () => {
  test('filters by status, driver and rider, and by all of them', async () => {
    const wanted = [
      ['PENDING', 'filter-ann', 'filter-bob'],
      ['PENDING', 'filter-ann', 'filter-carl'],
      ['CANCELLED', 'filter-ann', 'filter-bob'],
      ['EN_ROUTE', 'filter-amy', 'filter-bob'],
      ['PENDING', 'filter-amy', null],
    ] as const;
    const booked = await insertTrips(
      fleet.databaseUrl,
      wanted.map(([status, riderId, driverId]) => ({ status, riderId, driverId })),
    );
    const pick = (...places: number[]) => places.map((place) => booked[place]).sort();
    for (const [query, expected] of [
      ['riderId=filter-ann', pick(0, 1, 2)],
      ['riderId=filter-ann&status=PENDING', pick(0, 1)],
      ['driverId=filter-bob', pick(0, 2, 3)],
      ['driverId=filter-bob&status=EN_ROUTE', pick(3)],
      ['riderId=filter-ann&driverId=filter-bob&status=CANCELLED', pick(2)],
      ['riderId=filter-amy&driverId=filter-carl', []],
    ] as const)
      expect([query, ids((await list('OPERATOR', 'olga', query)).items).sort()]).toEqual([query, expected]);
  });

  test('goes newest first, and every page follows the one before while new trips come', async () => {
    const booked: TripBody[] = [];
    for (let index = 0; index < 10; index++) booked.push(await desk.book({ riderId: 'pages' }));
    const seen = await pages('riderId=pages&limit=3', () => desk.book({ riderId: 'pages' }));
    expect(ids(seen)).toEqual(ids(booked).reverse());
    expect((await list('SERVICE', 'desk', 'riderId=pages&limit=200')).items).toHaveLength(14);
  });

  test('neither repeats nor misses one of many that were booked in one instant', async () => {
    const booked = await insertTrips(
      fleet.databaseUrl,
      Array.from({ length: 25 }, () => ({ status: 'PENDING', riderId: 'instant', driverId: null })),
    );
    const seen = await pages('riderId=instant&limit=4');
    expect(ids(seen).sort()).toEqual([...booked].sort());
    expect(new Set(ids(seen)).size).toBe(25);
  });

  test('gives no cursor when the last page is full', async () => {
    for (let index = 0; index < 4; index++) await desk.book({ riderId: 'full' });
    const page = await list('SERVICE', 'desk', 'riderId=full&limit=4');
    expect([page.items.length, page.nextCursor]).toEqual([4, null]);
  });

  test('takes a cursor for its own query alone, however the query is written', async () => {
    for (let index = 0; index < 3; index++) await desk.book({ riderId: 'cursor', driverId: 'cursor-driver' });
    const { nextCursor } = await list('SERVICE', 'desk', 'riderId=cursor&status=PENDING&limit=2');
    const again = await list('SERVICE', 'desk', `limit=1&cursor=${nextCursor}&status=PENDING&riderId=cursor`);
    expect(again.items).toHaveLength(1);
    for (const query of [
      `cursor=${nextCursor}`,
      `riderId=cursor&cursor=${nextCursor}`,
      `riderId=other&status=PENDING&cursor=${nextCursor}`,
      'cursor=nonsense',
      `cursor=${Buffer.from('["x","y"]').toString('base64url')}`,
    ]) {
      const answer = await get('SERVICE', 'desk', `/v1/trips?${query}`);
      expect(wrongFields(expectProblem(answer, 400, 'INVALID_PARAMETER'))).toEqual(['cursor']);
    }
  });

  test("does not take a cursor of somebody else's list", async () => {
    for (let index = 0; index < 3; index++) await desk.book({ riderId: 'cursor-ann' });
    const { nextCursor } = await list('RIDER', 'cursor-ann', 'limit=1');
    expectProblem(
      await get('RIDER', 'cursor-eve', `/v1/trips?limit=1&cursor=${nextCursor}`),
      400,
      'INVALID_PARAMETER',
    );
  });

  test.each([
    ['limit=0', ['limit']],
    ['limit=-1', ['limit']],
    ['limit=201', ['limit']],
    ['limit=1e9', ['limit']],
    ['limit=abc', ['limit']],
    ['limit=1&limit=2', ['limit']],
    ['limit=', ['limit']],
    ['status=done', ['status']],
    ['status=PENDING&status=ARRIVED', ['status']],
    ['riderId=a%2Fb', ['riderId']],
    ['driverId=&riderId=%00&status=x&limit=x', ['driverId', 'limit', 'riderId', 'status']],
  ])('refuses ?%s', async (query, fields) => {
    const problem = expectProblem(
      await get('SERVICE', 'desk', `/v1/trips?${query}`),
      400,
      'INVALID_PARAMETER',
    );
    expect(wrongFields(problem)).toEqual(fields);
  });

  test('shows drivers and riders their own, and does not let them ask for more', async () => {
    await insertTrips(fleet.databaseUrl, [
      { status: 'PENDING', riderId: 'own-ann', driverId: 'own-bob' },
      { status: 'COMPLETED', riderId: 'own-ann', driverId: 'own-carl' },
      { status: 'PENDING', riderId: 'own-amy', driverId: 'own-bob' },
      // A rider and a driver may have one name, and stay two
      { status: 'PENDING', riderId: 'own-bob', driverId: 'own-ann' },
    ]);
    const seen = async (role: Role, sub: string, query = '') =>
      (await list(role, sub, query)).items.map(({ riderId, driverId }) => `${riderId} ${driverId}`).sort();
    expect(await seen('RIDER', 'own-ann')).toEqual(['own-ann own-bob', 'own-ann own-carl']);
    expect(await seen('RIDER', 'own-ann', 'driverId=own-bob')).toEqual(['own-ann own-bob']);
    expect(await seen('DRIVER', 'own-bob')).toEqual(['own-amy own-bob', 'own-ann own-bob']);
    expect(await seen('DRIVER', 'own-bob', 'riderId=own-amy&driverId=own-bob')).toEqual(['own-amy own-bob']);
    expect(await seen('RIDER', 'own-nobody')).toEqual([]);
    expectProblem(await get('RIDER', 'own-ann', '/v1/trips?riderId=own-amy'), 403, 'FORBIDDEN');
    expectProblem(await get('DRIVER', 'own-bob', '/v1/trips?driverId=own-carl'), 403, 'FORBIDDEN');
    expectProblem(await get('VIEWER', 'own-ann', '/v1/trips', [crypto.randomUUID()]), 403, 'FORBIDDEN');
  });
});

describe('a trip and its events', () => {
  test.each(['', '/events'])(
    'GET /v1/trips/{id}%s is for its parties, and nothing is there for others',
    async (part) => {
      const { id } = await desk.book({ riderId: 'reads-ann', driverId: 'reads-bob' });
      const path = `/v1/trips/${id}${part}`;
      for (const [role, sub] of [
        ['RIDER', 'reads-ann'],
        ['DRIVER', 'reads-bob'],
        ['OPERATOR', 'olga'],
        ['SERVICE', 'desk'],
      ] as const)
        expect((await get(role, sub, path)).status).toBe(200);
      for (const [role, sub] of [
        ['RIDER', 'reads-eve'],
        ['RIDER', 'reads-bob'],
        ['DRIVER', 'reads-eve'],
        ['DRIVER', 'reads-ann'],
        ['VIEWER', 'guest'],
      ] as const)
        expectProblem(await get(role, sub, path, [id]), 404, 'TRIP_NOT_FOUND');
      for (const unknown of [crypto.randomUUID(), 'nonsense', '%00', '..%2f..'])
        expectProblem(await get('SERVICE', 'desk', `/v1/trips/${unknown}${part}`), 404, 'TRIP_NOT_FOUND');
    },
  );

  test('a driver who was taken off a trip has nothing to do with it any more', async () => {
    const { id } = await desk.book({ driverId: 'reads-off' });
    expect((await get('DRIVER', 'reads-off', `/v1/trips/${id}`)).status).toBe(200);
    await desk.plan(id, { driverId: 'reads-on' });
    for (const part of ['', '/events'])
      expectProblem(await get('DRIVER', 'reads-off', `/v1/trips/${id}${part}`), 404, 'TRIP_NOT_FOUND');
    expect((await list('DRIVER', 'reads-off')).items).toEqual([]);
    expect(ids((await list('DRIVER', 'reads-on')).items)).toEqual([id]);
  });
});

describe('GET /v1/drivers/{id}/trip', () => {
  test('is the trip that the driver is on, from EN_ROUTE to the end, and 404 before and after', async () => {
    const driverId = 'active-bob';
    const path = `/v1/drivers/${driverId}/trip`;
    const ofDriver = () => get('DRIVER', driverId, path);
    const { id } = await desk.book({ driverId });
    const later = await desk.book({ driverId });
    expectProblem(await ofDriver(), 404, 'NOT_FOUND');
    for (const status of ['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS'] as const) {
      const moved = await desk.move(id, status);
      expect((await ofDriver()).body).toEqual(moved);
    }
    await desk.move(id, 'COMPLETED');
    expectProblem(await ofDriver(), 404, 'NOT_FOUND');
    const moved = await desk.move(later.id, 'EN_ROUTE');
    for (const [role, sub] of [
      ['OPERATOR', 'olga'],
      ['SERVICE', 'desk'],
    ] as const)
      expect((await get(role, sub, path)).body).toEqual(moved);
    await desk.move(later.id, 'CANCELLED');
    expectProblem(await ofDriver(), 404, 'NOT_FOUND');
  });

  test('is nobody else’s', async () => {
    const { id } = await desk.bookIn('EN_ROUTE', { riderId: 'active-ann', driverId: 'active-carl' });
    for (const [role, sub] of [
      ['DRIVER', 'active-eve'],
      ['RIDER', 'active-ann'],
      ['RIDER', 'active-carl'],
      ['VIEWER', 'active-carl'],
    ] as const)
      expectProblem(await get(role, sub, '/v1/drivers/active-carl/trip', [id]), 403, 'FORBIDDEN');
    expectProblem(await get('OPERATOR', 'olga', '/v1/drivers/a%2Fb/trip'), 400, 'INVALID_PARAMETER');
  });
});
