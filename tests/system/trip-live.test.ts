import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { type Fleet, json, startFleet } from '../support/fleet.ts';
import {
  follow,
  isLocationEvent,
  isStatusEvent,
  type LiveStream,
  statusesIn,
} from '../support/live-events.ts';
import type { TestClient } from '../support/mqtt-client.ts';
import { request, token } from '../support/platform.ts';
import { expectProblem, sendRaw } from '../support/rest.ts';
import { dropoff, pickup, type TripDesk, tripDesk } from '../support/trips.ts';

let fleet: Fleet;
let desk: TripDesk;
let service: TestClient;
let names = 0;
const streams: LiveStream[] = [];

beforeAll(async () => {
  fleet = await startFleet();
  desk = tripDesk(fleet.platform);
  service = await fleet.client('SERVICE', 'devices');
});
afterAll(async () => {
  for (const stream of streams) stream.close();
  await fleet?.stop();
});

const people = () => ({ riderId: `rider-${names}`, driverId: `driver-${names++}` });

async function drive(driverId: string, place = pickup): Promise<number> {
  const recordedAt = Date.now();
  await service.client.publishAsync(`drivers/${driverId}/location`, json({ ...place, recordedAt }), {
    qos: 1,
  });
  return recordedAt;
}

async function live(
  bearer: string,
  tripId: string,
  headers: Record<string, string> = {},
): Promise<LiveStream> {
  const stream = await follow(fleet.platform, bearer, tripId, headers);
  streams.push(stream);
  return stream;
}

test('a rider sees what is known, then what comes, and the end', async () => {
  const named = people();
  const { id } = await desk.bookIn('EN_ROUTE', named);
  const first = await drive(named.driverId);
  const stream = await live(await token('RIDER', named.riderId), id);
  expect([stream.status, stream.headers.get('content-type')]).toEqual([
    200,
    expect.stringMatching(/^text\/event-stream\b/),
  ]);
  await stream.next(isLocationEvent(first));
  expect(stream.events.map(({ event }) => event)).toEqual(['status', 'location']);
  expect(stream.events[0]).toMatchObject({ id: '2', data: { tripId: id, status: 'EN_ROUTE', version: 2 } });
  await desk.move(id, 'ARRIVED');
  await desk.move(id, 'IN_PROGRESS');
  await stream.next(isStatusEvent('IN_PROGRESS'));
  const second = await drive(named.driverId, dropoff);
  expect(await stream.next(isLocationEvent(second))).toMatchObject({
    data: { tripId: id, driverId: named.driverId, ...dropoff, eta: { to: 'dropoff' } },
  });
  await desk.move(id, 'COMPLETED');
  await stream.ended;
  expect(statusesIn(stream)).toEqual(['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED']);
});

test('a rider is not shown the driver before EN_ROUTE, dispatch is told who comes', async () => {
  const named = people();
  const { id } = await desk.book(named);
  const stream = await live(await token('RIDER', named.riderId), id);
  await stream.next(isStatusEvent('PENDING'));
  await drive(named.driverId);
  await desk.move(id, 'CANCELLED');
  await stream.ended;
  expect(stream.events.map(({ event }) => event)).toEqual(['status', 'status']);
});

describe('who may follow', () => {
  test.each([
    ['OPERATOR', 'olga'],
    ['SERVICE', 'dispatch'],
    ['DRIVER', 'its driver'],
    ['VIEWER', 'a guest'],
  ] as const)('%s (%s) does', async (role, who) => {
    const named = people();
    const { id } = await desk.bookIn('EN_ROUTE', named);
    const sub = role === 'DRIVER' ? named.driverId : who.replace(/ /g, '-');
    const bearer = role === 'VIEWER' ? await desk.share(id) : await token(role, sub);
    const stream = await live(bearer, id);
    await stream.next(isStatusEvent('EN_ROUTE'));
    await desk.move(id, 'CANCELLED', { reason: 'no time' });
    await stream.ended;
    expect(statusesIn(stream)).toEqual(['EN_ROUTE', 'CANCELLED']);
  });

  test('nobody else learns that the trip is there', async () => {
    const { id } = await desk.bookIn('EN_ROUTE', people());
    const { id: other } = await desk.book(people());
    const strangers = [
      await token('RIDER', 'stranger'),
      await token('DRIVER', 'stranger'),
      await token('VIEWER', 'guest', { trips: [other] }),
    ];
    for (const bearer of strangers)
      expectProblem(
        await request(fleet.platform, bearer, 'GET', `/v1/trips/${id}/live`),
        404,
        'TRIP_NOT_FOUND',
      );
    expectProblem(
      await request(fleet.platform, undefined, 'GET', `/v1/trips/${id}/live`),
      401,
      'UNAUTHORIZED',
    );
  });

  test('a driver whose trip is given to another sees no more of it', async () => {
    const named = people();
    const { id } = await desk.book(named);
    const stream = await live(await token('DRIVER', named.driverId), id);
    await stream.next(isStatusEvent('PENDING'));
    await desk.plan(id, { driverId: 'another' });
    await stream.ended;
    expect(stream.events).toHaveLength(1);
  });
});

test('a stream ends with its token', async () => {
  const named = people();
  const { id } = await desk.bookIn('EN_ROUTE', named);
  const stream = await live(await token('RIDER', named.riderId, { ttlSeconds: 3 }), id);
  const other = await live(await token('RIDER', named.riderId), id);
  await stream.ended;
  await desk.move(id, 'ARRIVED');
  await other.next(isStatusEvent('ARRIVED'));
  expect(statusesIn(stream)).toEqual(['EN_ROUTE']);
});

test('HEAD is answered like GET, and the connection is free for what comes next', async () => {
  const { id, riderId } = await desk.bookIn('EN_ROUTE', people());
  const answers = await sendRaw(
    fleet.platform.ports.api,
    `HEAD /v1/trips/${id}/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${await token('RIDER', riderId)}\r\n\r\n` +
      'GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  );
  expect(answers.match(/^HTTP\/1.1 200/gm)).toHaveLength(2);
  expect(answers).toMatch(/^content-type: text\/event-stream/im);
});

/** Open connections of a user, once there are at least so many. */
async function openOf(sub: string, atLeast: number): Promise<{ transport: string }[]> {
  const bearer = await token('OPERATOR', 'olga');
  for (let tries = 0; tries < 100; tries++) {
    const { body } = await request(fleet.platform, bearer, 'GET', `/v1/connections?sub=${sub}`);
    const { items } = body as { items: { transport: string }[] };
    if (items.length >= atLeast) return items;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`never ${atLeast} connections of ${sub}`);
}

test('a client that goes away while its trip is looked up leaves nothing open', async () => {
  const named = people();
  const { id } = await desk.bookIn('EN_ROUTE', named);
  const bearer = await token('RIDER', named.riderId);
  const blocker = new Client({ connectionString: fleet.databaseUrl });
  await blocker.connect();
  await blocker.query('begin; lock table trip_tracking in access exclusive mode');
  const controller = new AbortController();
  const asked = fetch(`${fleet.platform.urls.rest}/v1/trips/${id}/live`, {
    headers: { authorization: `Bearer ${bearer}` },
    signal: controller.signal,
  }).then(
    () => 'answered',
    () => 'gone',
  );
  await waiting(blocker);
  controller.abort();
  expect(await asked).toBe('gone');
  // The server has seen it go when it answers whoever came after
  await request(fleet.platform, undefined, 'GET', '/health/live');
  await blocker.end();
  const marker = await live(bearer, id);
  await marker.next(isStatusEvent('EN_ROUTE'));
  expect(await openOf(named.riderId, 1)).toHaveLength(1);
});

/** A statement waits for the lock. */
async function waiting(client: Client): Promise<void> {
  const query =
    "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
  for (let tries = 0; tries < 200; tries++) {
    const { rows } = await client.query(query);
    if (rows.length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('nothing waits for the lock');
}
