import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { type Fleet, position, startFleet } from '../support/fleet.ts';
import { follow, isStatusEvent } from '../support/live-events.ts';
import { request, token } from '../support/platform.ts';
import { caller, expectProblem, wrongFields } from '../support/rest.ts';
import {
  isLocationOf,
  isStatusOf,
  marked,
  type TripDesk,
  type TripStatus,
  tripDesk,
} from '../support/trips.ts';

let fleet: Fleet;
let desk: TripDesk;
let service: string;

beforeAll(async () => {
  fleet = await startFleet();
  desk = tripDesk(fleet.platform);
  service = await token('SERVICE', 'privacy');
});
afterAll(() => fleet?.stop());

const erase = (path: string, bearer = service) => request(fleet.platform, bearer, 'DELETE', path);

const start = Date.now() - 30_000;
const timeOf = (second: number) => start + second * 1000;

async function record(driverId: string, seconds: readonly number[]): Promise<void> {
  const batch = seconds.map((second) => position({ recordedAt: timeOf(second) }));
  const answer = await caller(fleet.platform, service).post(`/v1/drivers/${driverId}/locations`, batch);
  expect(answer).toMatchObject({ status: 202, body: { accepted: seconds.length } });
}

const secondsOf = async (driverId: string) =>
  (await fleet.history(driverId)).map(({ recordedAt }) => (Date.parse(recordedAt) - start) / 1000);

const current = (driverId: string) => caller(fleet.platform, service).get(`/v1/drivers/${driverId}/location`);

describe('erasing a trip', () => {
  test.each(['COMPLETED', 'CANCELLED'] as const)('that is %s takes its events with it', async (status) => {
    const driverId = `trip-${status}`;
    const { id } = await desk.bookIn(status, { driverId });
    const other = await desk.bookIn(status, { driverId });
    expect(await erase(`/v1/trips/${id}`)).toMatchObject({ status: 204, body: undefined });
    for (const path of ['', '/events', '/track', '/live'])
      expectProblem(
        await request(fleet.platform, service, 'GET', `/v1/trips/${id}${path}`),
        404,
        'TRIP_NOT_FOUND',
      );
    expectProblem(await erase(`/v1/trips/${id}`), 404, 'TRIP_NOT_FOUND');
    const { body } = await caller(fleet.platform, service).get(`/v1/trips?driverId=${driverId}`);
    expect((body as { items: { id: string }[] }).items.map((trip) => trip.id)).toEqual([other.id]);
    expect((await desk.events(other.id)).at(-1)).toMatchObject({ status });
  });

  test.each(['PENDING', 'EN_ROUTE', 'ARRIVED', 'IN_PROGRESS'] as const)(
    'that is %s is refused, and it goes on',
    async (status) => {
      const { id } = await desk.bookIn(status, { driverId: `runs-${status}` });
      const events = await desk.events(id);
      expectProblem(await erase(`/v1/trips/${id}`), 409, 'INVALID_TRANSITION');
      expect(await desk.trip(id)).toMatchObject({ id, status });
      expect(await desk.events(id)).toEqual(events);
      const next: TripStatus = status === 'IN_PROGRESS' ? 'COMPLETED' : 'CANCELLED';
      await desk.move(id, next);
      expect((await erase(`/v1/trips/${id}`)).status).toBe(204);
    },
  );

  test('while somebody ends it, is refused or comes after it, and never leaves half of it', async () => {
    for (let index = 0; index < 10; index++) {
      const { id } = await desk.bookIn('EN_ROUTE', { driverId: `race-${index}` });
      const [moved, erased] = await Promise.all([
        request(fleet.platform, service, 'PATCH', `/v1/trips/${id}/status`, { status: 'CANCELLED' }),
        erase(`/v1/trips/${id}`),
      ]);
      expect([moved.status, [204, 409].includes(erased.status)]).toEqual([200, true]);
      const left = await request(fleet.platform, service, 'GET', `/v1/trips/${id}/events`);
      if (erased.status === 204) expectProblem(left, 404, 'TRIP_NOT_FOUND');
      else expect((left.body as { items: unknown[] }).items).toHaveLength(3);
    }
  });

  test('of nobody is 404', async () => {
    for (const id of ['nonsense', '0197f9a0-0000-7000-8000-000000000000', "'%20or%20true%20--"])
      expectProblem(await erase(`/v1/trips/${id}`), 404, 'TRIP_NOT_FOUND');
  });
});

describe('erasing the positions of a driver', () => {
  test('takes all, the current one too, and no others', async () => {
    await record('all-1', [0, 1, 2]);
    await record('all-2', [0, 1, 2]);
    expect(await erase('/v1/drivers/all-1/history')).toMatchObject({ status: 204, body: undefined });
    expect(await secondsOf('all-1')).toEqual([]);
    expectProblem(await current('all-1'), 404, 'NOT_FOUND');
    const { body } = await caller(fleet.platform, service).get(
      '/v1/drivers/nearby?latitude=48.2082&longitude=16.3738&radius=50000',
    );
    const near = (body as { items: { driverId: string }[] }).items.map(({ driverId }) => driverId);
    expect([near.includes('all-1'), near.includes('all-2')]).toEqual([false, true]);
    expect(await secondsOf('all-2')).toEqual([0, 1, 2]);
    expect((await current('all-2')).status).toBe(200);
  });

  test.each([
    ['epoch milliseconds', String],
    ['ISO 8601', (time: number) => encodeURIComponent(new Date(time).toISOString())],
  ])('takes what is older than an instant, as %s, and leaves that instant', async (name, write) => {
    const driver = `before-${name.length}`;
    await record(driver, [0, 1, 2, 3]);
    expect((await erase(`/v1/drivers/${driver}/history?before=${write(timeOf(2))}`)).status).toBe(204);
    expect(await secondsOf(driver)).toEqual([2, 3]);
    expect((await current(driver)).body).toMatchObject({ recordedAt: new Date(timeOf(3)).toISOString() });
    expect((await erase(`/v1/drivers/${driver}/history?before=${write(timeOf(4))}`)).status).toBe(204);
    expectProblem(await current(driver), 404, 'NOT_FOUND');
  });

  test('lets the driver go on from there', async () => {
    await record('goes-on', [0, 1]);
    expect((await erase('/v1/drivers/goes-on/history')).status).toBe(204);
    await record('goes-on', [2]);
    expect(await secondsOf('goes-on')).toEqual([2]);
    expect((await current('goes-on')).body).toMatchObject({ recordedAt: new Date(timeOf(2)).toISOString() });
  });

  test('of a driver without any is done as well', async () => {
    expect((await erase('/v1/drivers/nobody/history')).status).toBe(204);
  });

  test.each(['yesterday', '', '2026-02-30T00:00:00Z', '-1'])('before %p is refused', async (before) => {
    await record(`kept-${before.length}`, [0]);
    const answer = await erase(`/v1/drivers/kept-${before.length}/history?before=${before}`);
    expect(wrongFields(expectProblem(answer, 400, 'INVALID_PARAMETER'))).toEqual(['before']);
    expect(await secondsOf(`kept-${before.length}`)).toEqual([0]);
  });
});

describe('whoever comes to a trip that is under way', () => {
  async function setOut(name: string) {
    const parties = { riderId: `r-${name}`, driverId: `d-${name}` };
    await record(parties.driverId, [0, 1]);
    const { id } = await desk.bookIn('EN_ROUTE', parties);
    return { id, ...parties };
  }

  /** What comes first, over MQTT and over HTTP. */
  async function snapshots(id: string, riderId: string) {
    const rider = await fleet.subscriber('RIDER', riderId, `trips/${id}/#`, 1);
    const stream = await follow(fleet.platform, await token('RIDER', riderId), id);
    await marked(rider);
    await desk.move(id, 'ARRIVED');
    await stream.next(isStatusEvent('ARRIVED'));
    stream.close();
    return {
      mqtt: rider.received.filter(({ retain }) => retain).map(({ topic }) => topic.split('/')[2]),
      http: stream.events.map(({ event }) => event),
      rider,
    };
  }

  test('is not shown an erased position, and is shown the next one', async () => {
    const { id, riderId, driverId } = await setOut('gone');
    expect((await erase(`/v1/drivers/${driverId}/history`)).status).toBe(204);
    const { mqtt, http, rider } = await snapshots(id, riderId);
    expect({ mqtt, http }).toEqual({ mqtt: ['status'], http: ['status', 'status'] });
    await record(driverId, [20]);
    await rider.next(isLocationOf(id, timeOf(20)));
  });

  test('is not shown a position that is being erased while the driver sets out', async () => {
    const parties = { riderId: 'r-meanwhile', driverId: 'd-meanwhile' };
    await record(parties.driverId, [0]);
    const { id } = await desk.book(parties);
    const erasing = new Client({ connectionString: fleet.databaseUrl });
    await erasing.connect();
    await erasing.query('begin');
    await erasing.query(
      'update driver_locations set location = null, recorded_at = null where driver_id = $1',
      [parties.driverId],
    );
    const moved = desk.move(id, 'EN_ROUTE');
    // Long enough to set out with what is there
    await Promise.race([moved, new Promise((resolve) => setTimeout(resolve, 500))]);
    await erasing.query('commit');
    await erasing.end();
    await moved;
    const { mqtt, http } = await snapshots(id, parties.riderId);
    expect({ mqtt, http }).toEqual({ mqtt: ['status'], http: ['status', 'status'] });
  });

  test('is shown one that is newer than what was erased', async () => {
    const { id, riderId, driverId } = await setOut('newer');
    expect((await erase(`/v1/drivers/${driverId}/history?before=${timeOf(1)}`)).status).toBe(204);
    const { mqtt, http } = await snapshots(id, riderId);
    expect({ mqtt, http }).toEqual({ mqtt: ['status', 'location'], http: ['status', 'location', 'status'] });
  });
});

test('a trip that is erased is shown to nobody who comes, though others have followed it to the end', async () => {
  const parties = { riderId: 'r-shown', driverId: 'd-shown' };
  const { id } = await desk.bookIn('IN_PROGRESS', parties);
  const follower = await fleet.subscriber('RIDER', parties.riderId, `trips/${id}/#`, 1);
  await desk.move(id, 'COMPLETED');
  await follower.next(isStatusOf(id, 'COMPLETED'));
  expect((await erase(`/v1/trips/${id}`)).status).toBe(204);
  const late = await fleet.client('RIDER', parties.riderId);
  await expect(late.client.subscribeAsync(`trips/${id}/#`, { qos: 1 })).rejects.toThrow();
  await marked(late);
  expect(late.received.filter(({ topic }) => topic.includes(id))).toEqual([]);
});

test('the positions of an erased trip stay, and are not of it any more', async () => {
  const driverId = 'd-unlinked';
  const { id } = await desk.bookIn('IN_PROGRESS', { driverId });
  const recordedAt = Date.now();
  await caller(fleet.platform, service).post(`/v1/drivers/${driverId}/location`, position({ recordedAt }));
  await desk.move(id, 'COMPLETED');
  const positions = async () => [...(await fleet.history(driverId)), (await current(driverId)).body];
  expect(await positions()).toMatchObject([{ tripId: id }, { tripId: id }]);
  expect((await erase(`/v1/trips/${id}`)).status).toBe(204);
  const left = await positions();
  expect(left).toHaveLength(2);
  expect(JSON.stringify(left)).not.toContain(id);
});

test.each([
  ['DRIVER', 'mine'],
  ['RIDER', 'rider-1'],
  ['OPERATOR', 'olga'],
  ['VIEWER', 'guest'],
] as const)('neither is for a %s', async (role, sub) => {
  const { id } = await desk.bookIn('COMPLETED', { riderId: 'rider-1', driverId: 'mine' });
  const bearer = await token(role, sub, role === 'VIEWER' ? { trips: [id] } : {});
  const seen = await fleet.history('mine');
  expectProblem(await erase(`/v1/trips/${id}`, bearer), 403, 'FORBIDDEN');
  expectProblem(await erase('/v1/drivers/mine/history', bearer), 403, 'FORBIDDEN');
  expect((await desk.trip(id)).status).toBe('COMPLETED');
  expect(await fleet.history('mine')).toEqual(seen);
});
