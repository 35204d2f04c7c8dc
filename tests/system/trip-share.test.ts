import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import jwt from 'jsonwebtoken';
import { type ErrorMessage, type Fleet, json, startFleet } from '../support/fleet.ts';
import { connectClient, type TestClient } from '../support/mqtt-client.ts';
import { request, TEST_SECRET, token } from '../support/platform.ts';
import { expectProblem } from '../support/rest.ts';
import {
  isLocationOf,
  isStatusOf,
  locationsOf,
  pickup,
  statusesOf,
  subackOf,
  type TripDesk,
  takeUp,
  tripDesk,
} from '../support/trips.ts';

let fleet: Fleet;
let desk: TripDesk;
let service: TestClient;
let names = 0;

beforeAll(async () => {
  fleet = await startFleet({ PUBLIC_URL: 'https://fleet.example.org/' });
  desk = tripDesk(fleet.platform);
  service = await fleet.client('SERVICE', 'devices');
});
afterAll(() => fleet?.stop());

const REFUSED = 128;
const people = () => ({ riderId: `rider-${names}`, driverId: `driver-${names++}` });

async function drive(driverId: string): Promise<number> {
  const recordedAt = Date.now();
  const payload = json({ ...pickup, recordedAt });
  await service.client.publishAsync(`drivers/${driverId}/location`, payload, { qos: 1 });
  return recordedAt;
}

const guestOf = (link: string) => connectClient(fleet.platform.urls.ws, link);

describe('POST /v1/trips/{id}/share', () => {
  test.each([
    ['RIDER', 'its rider'],
    ['OPERATOR', 'olga'],
    ['SERVICE', 'desk'],
  ] as const)('gives a %s a link that is for this trip alone', async (role, sub) => {
    const named = people();
    const { id } = await desk.book(named);
    const bearer = await token(role, role === 'RIDER' ? named.riderId : sub);
    const answer = await request(fleet.platform, bearer, 'POST', `/v1/trips/${id}/share`);
    expect(answer.status).toBe(201);
    const body = answer.body as { token: string; url: string; expiresAt: string };
    expect(body).toEqual({
      token: expect.any(String),
      url: `https://fleet.example.org/track#${body.token}`,
      expiresAt: expect.stringMatching(/Z$/),
    });
    const claims = jwt.verify(body.token, TEST_SECRET) as { role: string; trips: string[]; exp: number };
    expect(claims).toMatchObject({ role: 'VIEWER', trips: [id] });
    expect(Math.abs(claims.exp * 1000 - Date.parse(body.expiresAt))).toBeLessThanOrEqual(1000);
  });

  test.each([
    ['its driver', 'DRIVER', 403, 'FORBIDDEN'],
    ['another driver', 'DRIVER', 404, 'TRIP_NOT_FOUND'],
    ['another rider', 'RIDER', 404, 'TRIP_NOT_FOUND'],
    ['its viewer', 'VIEWER', 404, 'TRIP_NOT_FOUND'],
  ] as const)('is not for %s', async (name, role, status, code) => {
    const named = people();
    const { id } = await desk.book(named);
    const sub = name === 'its driver' ? named.driverId : 'stranger';
    const bearer = await token(role, sub, role === 'VIEWER' ? { trips: [id] } : {});
    expectProblem(await request(fleet.platform, bearer, 'POST', `/v1/trips/${id}/share`), status, code);
  });

  test.each(['COMPLETED', 'CANCELLED'] as const)(
    'has nothing to give once the trip is %s',
    async (status) => {
      const { id } = await desk.bookIn(status, people());
      const bearer = await token('SERVICE', 'desk');
      expectProblem(
        await request(fleet.platform, bearer, 'POST', `/v1/trips/${id}/share`),
        409,
        'INVALID_TRANSITION',
      );
    },
  );
});

test('a guest follows the trip as its rider does, to the end, and no further', async () => {
  const named = people();
  const { id } = await desk.book(named);
  const guest = await guestOf(await desk.share(id));
  await guest.client.subscribeAsync(`trips/${id}/#`, { qos: 1 });
  expect(await guest.next(isStatusOf(id, 'PENDING'))).toMatchObject({ retain: true, qos: 1 });
  await drive(named.driverId);
  await desk.move(id, 'EN_ROUTE');
  const first = await drive(named.driverId);
  await guest.next(isLocationOf(id, first));
  await desk.move(id, 'ARRIVED');
  await desk.move(id, 'IN_PROGRESS');
  const second = await drive(named.driverId);
  await guest.next(isLocationOf(id, second));
  await desk.move(id, 'COMPLETED');
  await drive(named.driverId);
  await guest.next(isStatusOf(id, 'COMPLETED'));
  expect(await subackOf(guest, [`trips/${id}/#`, `trips/${id}/status`, `trips/${id}/location`])).toEqual([
    REFUSED,
    REFUSED,
    REFUSED,
  ]);
  expect(statusesOf(guest, id).map(({ status }) => status)).toEqual([
    'PENDING',
    'EN_ROUTE',
    'ARRIVED',
    'IN_PROGRESS',
    'COMPLETED',
  ]);
  expect(locationsOf(guest, id).map(({ recordedAt }) => Date.parse(recordedAt))).toEqual([first, second]);
  await guest.end();
});

test('a guest who comes when it is over is refused, and so is one whose session comes back', async () => {
  const { id, driverId } = await desk.bookIn('EN_ROUTE', people());
  const link = await desk.share(id);
  const before = await takeUp(fleet.platform.urls.mqtt, link, 'tablet');
  await before.client.subscribeAsync(`trips/${id}/#`, { qos: 1 });
  await before.next(isStatusOf(id));
  await before.end();
  await desk.move(id, 'CANCELLED');
  await drive(driverId ?? '');
  const after = await takeUp(fleet.platform.urls.mqtt, link, 'tablet');
  expect(after.sessionPresent).toBe(true);
  const late = await guestOf(link);
  expect(await subackOf(late, [`trips/${id}/#`, `trips/${id}/status`])).toEqual([REFUSED, REFUSED]);
  expect(await subackOf(after, `trips/${id}/location`)).toEqual([REFUSED]);
  expect([...after.received, ...late.received]).toEqual([]);
  await Promise.all([after.end(), late.end()]);
});

test('a guest may follow, and nothing else', async () => {
  const named = people();
  const { id } = await desk.bookIn('EN_ROUTE', named);
  const link = await desk.share(id);
  const { sub } = jwt.decode(link) as { sub: string };
  for (const [method, path, body] of [
    ['GET', `/v1/trips/${id}`],
    ['GET', `/v1/trips/${id}/events`],
    ['GET', '/v1/trips'],
    ['POST', '/v1/trips', { riderId: sub, pickup, dropoff: pickup }],
    ['PATCH', `/v1/trips/${id}`, { driverId: 'eve' }],
    ['PATCH', `/v1/trips/${id}/status`, { status: 'CANCELLED' }],
    ['POST', `/v1/trips/${id}/share`],
    ['GET', `/v1/drivers/${named.driverId}/location`],
    ['GET', `/v1/drivers/${named.driverId}/trip`],
    ['GET', '/v1/drivers/nearby?latitude=48&longitude=16'],
  ] as [string, string, unknown?][]) {
    const answer = await request(fleet.platform, link, method, path, body);
    expect([method, path, [403, 404].includes(answer.status)]).toEqual([method, path, true]);
  }
  const guest = await guestOf(link);
  await guest.client.subscribeAsync([`trips/${id}/status`, `riders/${sub}/errors`], { qos: 1 });
  expect(
    await subackOf(guest, [
      'trips/+/status',
      'trips/#',
      `drivers/${named.driverId}/location`,
      `drivers/${named.driverId}/trips`,
      `riders/${named.riderId}/trips`,
      `riders/${sub}/trips`,
    ]),
  ).toEqual(Array(6).fill(REFUSED));
  const publishes: [string, object][] = [
    [`trips/${id}/transition`, { status: 'CANCELLED' }],
    [`trips/${id}/status`, { status: 'CANCELLED' }],
    [`drivers/${named.driverId}/location`, pickup],
    [`drivers/${sub}/location`, pickup],
  ];
  for (const [topic, payload] of publishes) {
    await guest.client.publishAsync(topic, json(payload), { qos: 1 });
    const { payload: error } = await guest.next(({ payload }) => (payload as ErrorMessage).topic === topic);
    expect(error).toMatchObject({ code: 'FORBIDDEN' });
  }
  expect(await desk.trip(id)).toMatchObject({ status: 'EN_ROUTE', version: 2 });
  await guest.end();
});

test.each([
  ['has expired', { expiresIn: -10 }, TEST_SECRET],
  ['was signed by somebody else', { expiresIn: 600 }, `${TEST_SECRET}!`],
] as const)('with a link that %s nobody gets in', async (_name, options, secret) => {
  const { id } = await desk.bookIn('EN_ROUTE', people());
  const link = jwt.sign({ sub: 'guest', role: 'VIEWER', trips: [id] }, secret, options);
  await expect(guestOf(link)).rejects.toMatchObject({ code: 4 });
  await expect(connectClient(fleet.platform.urls.mqtt, link)).rejects.toMatchObject({ code: 4 });
});

test('a link whose time runs out while it is used ends with its time', async () => {
  const { id, driverId } = await desk.bookIn('EN_ROUTE', people());
  const exp = Math.floor(Date.now() / 1000) + 4;
  const guest = await guestOf(jwt.sign({ sub: 'guest', role: 'VIEWER', trips: [id], exp }, TEST_SECRET));
  const closed = new Promise<number>((resolve) => guest.client.once('close', () => resolve(Date.now())));
  await guest.client.subscribeAsync(`trips/${id}/location`);
  await guest.next(isLocationOf(id, await drive(driverId ?? '')));
  const at = await closed;
  expect(at).toBeGreaterThanOrEqual(exp * 1000);
  expect(at).toBeLessThan(exp * 1000 + 20_000);
  await guest.end();
});

test('a guest that goes on with a link to other trips follows those from then on, and no more', async () => {
  const [one, other] = [await desk.bookIn('EN_ROUTE', people()), await desk.bookIn('EN_ROUTE', people())];
  // Each ends later than the one before
  let exp = Math.floor(Date.now() / 1000) + 3600;
  const link = (trips: string[]) =>
    jwt.sign({ sub: 'guest-9', role: 'VIEWER', trips, exp: ++exp }, TEST_SECRET);
  const guest = await guestOf(link([one.id, other.id]));
  const goOnWith = async (trips: string[]) =>
    guest.client.publishAsync('session/token', link(trips), { qos: 1 });
  await guest.client.subscribeAsync([`trips/${one.id}/#`, `trips/${other.id}/#`], { qos: 1 });
  for (const { id } of [one, other]) await guest.next(isStatusOf(id, 'EN_ROUTE'));
  await goOnWith([other.id]);
  await drive(one.driverId ?? '');
  await desk.move(one.id, 'ARRIVED');
  await desk.move(other.id, 'ARRIVED');
  await guest.next(isStatusOf(other.id, 'ARRIVED'));
  expect(await subackOf(guest, `trips/${one.id}/status`)).toEqual([REFUSED]);
  // What it has lost does not come back by itself, but can be asked for
  await goOnWith([one.id]);
  await desk.move(one.id, 'IN_PROGRESS');
  expect(await subackOf(guest, [`trips/${other.id}/status`, `trips/${one.id}/status`])).toEqual([REFUSED, 1]);
  expect(await guest.next(isStatusOf(one.id, 'IN_PROGRESS'))).toMatchObject({ retain: true });
  await desk.move(other.id, 'IN_PROGRESS');
  await desk.move(one.id, 'COMPLETED');
  await guest.next(isStatusOf(one.id, 'COMPLETED'));
  const told = (id: string) => statusesOf(guest, id).map(({ status }) => status);
  expect(told(one.id)).toEqual(['EN_ROUTE', 'IN_PROGRESS', 'COMPLETED']);
  expect(told(other.id)).toEqual(['EN_ROUTE', 'ARRIVED']);
  expect(locationsOf(guest, one.id)).toEqual([]);
  await guest.end();
});
