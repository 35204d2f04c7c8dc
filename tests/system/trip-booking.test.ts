import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Role } from '../../shared/auth/identity.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { request, token } from '../support/platform.ts';
import { expectProblem, wrongFields } from '../support/rest.ts';
import { dropoff, pickup, type TripBody, type TripDesk, tripDesk } from '../support/trips.ts';

let fleet: Fleet;
let desk: TripDesk;

beforeAll(async () => {
  fleet = await startFleet();
  desk = tripDesk(fleet.platform);
});
afterAll(() => fleet?.stop());

const send = async (role: Role, sub: string, method: string, path: string, body?: unknown) =>
  request(
    fleet.platform,
    await token(role, sub, role === 'VIEWER' ? { trips: [crypto.randomUUID()] } : {}),
    method,
    path,
    body,
  );
const book = (role: Role, sub: string, body: unknown) => send(role, sub, 'POST', '/v1/trips', body);

const trip = { riderId: 'ann', pickup, dropoff };

describe('POST /v1/trips', () => {
  test('gives the whole trip, with null where nothing is known yet', async () => {
    const place = { ...pickup, address: 'Stephansplatz 1' };
    const answer = await book('RIDER', 'ann', { ...trip, pickup: place });
    expect(answer.status).toBe(201);
    const body = answer.body as TripBody;
    expect(body).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      riderId: 'ann',
      driverId: null,
      status: 'PENDING',
      version: 1,
      pickup: place,
      dropoff,
      metadata: {},
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      updatedAt: body.createdAt,
      enRouteAt: null,
      arrivedAt: null,
      startedAt: null,
      completedAt: null,
      cancelledAt: null,
      cancelReason: null,
      distanceMeters: null,
      durationSeconds: null,
    });
    expect(answer.headers.get('location')).toBe(`/v1/trips/${body.id}`);
    expect(await desk.trip(body.id)).toEqual(body);
  });

  test.each([
    ['RIDER', 'ann', 201],
    ['OPERATOR', 'olga', 201],
    ['SERVICE', 'desk', 201],
    ['RIDER', 'eve', 403],
    ['DRIVER', 'ann', 403],
    ['VIEWER', 'ann', 403],
  ] as const)('a %s called %s books for ann: %i', async (role, sub, status) => {
    const answer = await book(role, sub, { ...trip, driverId: 'bob' });
    if (status === 403) expectProblem(answer, 403, 'FORBIDDEN');
    else
      expect(answer).toMatchObject({ status, body: { riderId: 'ann', driverId: 'bob', status: 'PENDING' } });
  });

  test.each([
    ['nothing', {}, ['/dropoff', '/pickup', '/riderId']],
    ['a list', [trip], ['']],
    ['a text', '"trip"', ['']],
    ['null', 'null', ['']],
    ['a rider that no token can have', { ...trip, riderId: 'a/b' }, ['/riderId']],
    ['a wildcard as driver', { ...trip, driverId: '+' }, ['/driverId']],
    ['a driver that is a number', { ...trip, driverId: 7 }, ['/driverId']],
    ['half a pickup', { ...trip, pickup: { latitude: 1 } }, ['/pickup/longitude']],
    [
      'places off the earth',
      { ...trip, pickup: { latitude: 91, longitude: 0 }, dropoff: { latitude: 0, longitude: -181 } },
      ['/dropoff/longitude', '/pickup/latitude'],
    ],
    [
      'numbers as texts',
      { ...trip, dropoff: { latitude: '48', longitude: '16' } },
      ['/dropoff/latitude', '/dropoff/longitude'],
    ],
    ['an address that is a number', { ...trip, pickup: { ...pickup, address: 1 } }, ['/pickup/address']],
    ['an address with NUL', { ...trip, pickup: { ...pickup, address: 'a\0' } }, ['/pickup/address']],
    ['metadata that is a list', { ...trip, metadata: [1] }, ['/metadata']],
    ['metadata that is a text', { ...trip, metadata: 'x' }, ['/metadata']],
    ['metadata that is null', { ...trip, metadata: null }, ['/metadata']],
    ['metadata of 4097 bytes', { ...trip, metadata: { a: 'x'.repeat(4097 - 8) } }, ['/metadata']],
    ['metadata of 4097 bytes in UTF-8', { ...trip, metadata: { a: `${'ü'.repeat(2044)}x` } }, ['/metadata']],
    ['metadata with NUL', { ...trip, metadata: { a: 'x\0' } }, ['/metadata']],
    ['metadata with NUL in a name', { ...trip, metadata: { 'x\0': 1 } }, ['/metadata']],
    [
      'metadata with half a character',
      '{"riderId":"ann","pickup":{"latitude":1,"longitude":1},"dropoff":{"latitude":1,"longitude":1},"metadata":{"a":"\\ud83d"}}',
      ['/metadata'],
    ],
    [
      'everything at once',
      { riderId: '', driverId: 'a b', pickup: 1, dropoff: {}, metadata: 1 },
      ['/driverId', '/dropoff/latitude', '/dropoff/longitude', '/metadata', '/pickup', '/riderId'],
    ],
  ])('refuses %s and names every wrong field', async (_name, body, fields) => {
    const problem = expectProblem(await book('SERVICE', 'desk', body), 400, 'INVALID_PAYLOAD');
    expect(wrongFields(problem)).toEqual(fields);
  });

  test.each([
    ['as long as it may be', { a: 'x'.repeat(4096 - 8) }],
    ['as long as it may be in UTF-8', { a: 'ü'.repeat(2044) }],
    [
      'of every kind',
      { text: 'ß🚕', n: -1.5e-7, yes: true, no: null, list: [[], {}], nested: { a: { b: 1 } } },
    ],
    [
      'with names that mean something elsewhere',
      JSON.parse('{"__proto__": {"x": 1}, "constructor": 1, "": 2}'),
    ],
    ['with a backslash before u0000', { path: 'C:\\u0000\\ud800' }],
    ['with quotes and dollars', { sql: `'; drop table trip_tracking; -- $(id) $1 \${x}` }],
    ['nested 1000 deep', { deep: JSON.parse(`${'['.repeat(1000)}${']'.repeat(1000)}`) }],
  ])('keeps metadata %s and gives it back', async (_name, metadata) => {
    const answer = await book('RIDER', 'ann', { ...trip, metadata });
    expect(answer.status).toBe(201);
    const { id } = answer.body as TripBody;
    expect(JSON.stringify((await desk.trip(id)).metadata)).toHaveLength(JSON.stringify(metadata).length);
    expect((await desk.trip(id)).metadata).toEqual(metadata);
  });

  test('whatever JSON has for a text is kept as it is', async () => {
    const address = `"quoted" \\ \u2028 🚕 $(id) '`;
    const booked = await desk.book({ pickup: { ...pickup, address } });
    expect((await desk.trip(booked.id)).pickup.address).toBe(address);
  });

  test('what was refused was not booked', async () => {
    await book('RIDER', 'nobody', { ...trip, riderId: 'nobody', metadata: [] });
    await book('RIDER', 'eve', { ...trip, riderId: 'nobody' });
    const { body } = await send('SERVICE', 'desk', 'GET', '/v1/trips?riderId=nobody');
    expect(body).toEqual({ items: [], nextCursor: null });
  });
});

describe('PATCH /v1/trips/{id}', () => {
  const patch = (role: Role, sub: string, id: string, body: unknown) =>
    send(role, sub, 'PATCH', `/v1/trips/${id}`, body);

  test('assigns and takes away a driver and moves both ends, a version each, while PENDING', async () => {
    const { id } = await desk.book({ metadata: { kept: true } });
    const end = { latitude: 48.3, longitude: 16.4, address: 'there' };
    const steps = [
      { driverId: 'bob' },
      { driverId: 'carl', pickup: end },
      { dropoff: end },
      { driverId: null, pickup },
    ];
    for (const [index, step] of steps.entries())
      expect(await patch('OPERATOR', 'olga', id, step)).toMatchObject({
        status: 200,
        body: { version: index + 2, status: 'PENDING', metadata: { kept: true }, ...step },
      });
    const events = await desk.events(id);
    expect(events.map(({ version, status, actor }) => [version, status, actor.role])).toEqual([
      [1, 'PENDING', 'SERVICE'],
      [2, 'PENDING', 'OPERATOR'],
      [3, 'PENDING', 'OPERATOR'],
      [4, 'PENDING', 'OPERATOR'],
      [5, 'PENDING', 'OPERATOR'],
    ]);
    expect(events.slice(1).map(({ previous }) => previous)).toEqual(Array(4).fill('PENDING'));
  });

  test.each(['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED', 'CANCELLED'] as const)(
    'changes nothing any more once the trip is %s',
    async (status) => {
      const before = await desk.bookIn(status, { driverId: `late-${status}` });
      expectProblem(
        await patch('SERVICE', 'desk', before.id, { driverId: 'eve' }),
        409,
        'INVALID_TRANSITION',
      );
      expectProblem(
        await patch('SERVICE', 'desk', before.id, { pickup: dropoff }),
        409,
        'INVALID_TRANSITION',
      );
      expect(await desk.trip(before.id)).toEqual(before);
    },
  );

  test('is not for parties, nor for strangers', async () => {
    const before = await desk.book({ riderId: 'ann', driverId: 'bob' });
    for (const [role, sub] of [
      ['RIDER', 'ann'],
      ['RIDER', 'eve'],
      ['DRIVER', 'bob'],
      ['VIEWER', 'ann'],
    ] as const)
      expectProblem(await patch(role, sub, before.id, { driverId: 'bob' }), 403, 'FORBIDDEN');
    expect(await desk.trip(before.id)).toEqual(before);
  });

  test.each([
    ['nothing', {}, ['']],
    ['nothing that it knows', { status: 'EN_ROUTE', metadata: {} }, ['']],
    ['half a place', { pickup: { latitude: 1 } }, ['/pickup/longitude']],
    ['no place', { pickup: null, dropoff: 5 }, ['/dropoff', '/pickup']],
    ['no name of a driver', { driverId: '' }, ['/driverId']],
    ['a list', [{ driverId: 'bob' }], ['']],
  ])('refuses %s', async (_name, body, fields) => {
    const before = await desk.book({});
    const problem = expectProblem(await patch('SERVICE', 'desk', before.id, body), 400, 'INVALID_PAYLOAD');
    expect(wrongFields(problem)).toEqual(fields);
    expect(await desk.trip(before.id)).toEqual(before);
  });

  test.each([
    [{ metadata: {} }, '', 'must have at least one of driverId, pickup, dropoff'],
    [{ driverId: 5 }, '/driverId', 'must be string'],
  ])('says once what is wrong with %j', async (body, path, message) => {
    const { id } = await desk.book({});
    const problem = expectProblem(await patch('SERVICE', 'desk', id, body), 400, 'INVALID_PAYLOAD');
    expect(problem.errors).toEqual([{ path, message }]);
  });

  test('knows no trip that is not there', async () => {
    for (const id of [crypto.randomUUID(), 'nonsense'])
      expectProblem(await patch('SERVICE', 'desk', id, { driverId: 'bob' }), 404, 'TRIP_NOT_FOUND');
  });
});
