import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createDeadLetters } from '../../ingest/log/dead-letters.ts';
import { TransitionWorker } from '../../ingest/log/transition-worker.ts';
import type { Database } from '../../shared/database/index.ts';
import { createMemoryEmitter } from '../../shared/emitter/memory.ts';
import { createPublisher } from '../../shared/messages/publisher.ts';
import type { RedisConnections } from '../../shared/redis/connections.ts';
import { createMemorySessionStore } from '../../shared/session-store/memory.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';
import { listEvents } from '../../shared/trips/sql/list-events.ts';
import { type Actor, type TransitionRequest, TripStore } from '../../shared/trips/store.ts';
import type { TransitionDoor } from '../../shared/trips/transition-door.ts';
import { createLoggedDoor, transitionLogKey } from '../../shared/trips/transition-log.ts';
import { eventually, newPrefix, testRedis } from '../support/redis.ts';
import { migratedDatabase, silent } from '../support/trip-database.ts';
import { dropoff, pickup, type TripStatus } from '../support/trips.ts';

let testDatabase: Awaited<ReturnType<typeof migratedDatabase>>;
let database: Database;
let store: TripStore;
let prefix: string;
let redises: RedisConnections[];
let workers: TransitionWorker[];
let door: TransitionDoor;
let errors: { topic: string; code: string }[];
let emitter: ReturnType<typeof createMemoryEmitter>;
let drivers = 0;

const dispatch: Actor = { sub: 'dispatch', role: 'SERVICE', trips: [] };

beforeAll(async () => {
  testDatabase = await migratedDatabase();
  database = testDatabase.open(8);
  store = new TripStore(database.queries);
});
afterAll(() => testDatabase?.drop());

beforeEach(async () => {
  prefix = newPrefix();
  redises = [];
  workers = [];
  errors = [];
  emitter = createMemoryEmitter();
  emitter.on('+/+/errors', ({ topic, payload }, done) => {
    errors.push({ topic, code: (JSON.parse(payload.toString()) as { code: string }).code });
    done();
  });
  const redis = another();
  door = createLoggedDoor(redis, emitter);
  await redis.ready(5000);
});
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  for (const redis of redises) redis.close();
});

function another(): RedisConnections {
  const redis = testRedis(prefix);
  redises.push(redis);
  return redis;
}

function work(trips: { transition(request: TransitionRequest): Promise<unknown> } = store): RedisConnections {
  const redis = another();
  const commands = redis.connect('test', { enableOfflineQueue: true });
  workers.push(
    new TransitionWorker({
      redis,
      trips: trips as TripStore,
      publisher: createPublisher(emitter, createMemorySessionStore(1000)),
      emitter,
      deadLetters: createDeadLetters(commands, redis.key('dead-letters'), silent),
      metrics: createMetrics(),
      log: silent,
    }),
  );
  return redis;
}

const book = (driverId = `driver-${drivers++}`) =>
  store.create({ riderId: 'ann', driverId, pickup, dropoff, metadata: {} }, dispatch);

const send = (tripId: string, status: TripStatus, actor: Actor = dispatch) =>
  door.submit({ tripId, status, actor, topic: `trips/${tripId}/transition` });

const statuses = async (tripId: string) =>
  (await listEvents(database.queries, tripId)).map(({ status }) => status);

test('what is sent is applied by the time that it may be acknowledged', async () => {
  work();
  const trip = await book();
  for (const status of ['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED'] as const) {
    expect(await send(trip.id, status)).toBeUndefined();
    expect((await statuses(trip.id)).at(-1)).toBe(status);
  }
  expect(errors).toEqual([]);
});

test('without anybody to apply it, it is kept, and applied in order when there is', async () => {
  const trips = await Promise.all(Array.from({ length: 20 }, () => book()));
  const sent = trips.flatMap(({ id }) =>
    (['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS'] as const).map((status) => send(id, status)),
  );
  await Promise.all(sent);
  for (const { id } of trips) expect(await statuses(id)).toEqual(['PENDING']);
  work();
  work();
  for (const { id } of trips)
    expect(
      await eventually(
        () => statuses(id),
        (found) => found.length === 4,
      ),
    ).toEqual(['PENDING', 'EN_ROUTE', 'ARRIVED', 'IN_PROGRESS']);
  expect(errors).toEqual([]);
});

test('what is refused is told to its sender, and does not hold up what comes after', async () => {
  work();
  const trip = await book('bob');
  const bob: Actor = { sub: 'bob', role: 'DRIVER', trips: [] };
  await send(trip.id, 'COMPLETED', bob);
  await send('5e0c1e1c-1111-4111-8111-111111111111', 'EN_ROUTE', bob);
  await send(trip.id, 'EN_ROUTE', bob);
  expect(await statuses(trip.id)).toEqual(['PENDING', 'EN_ROUTE']);
  expect(errors).toEqual([
    { topic: 'drivers/bob/errors', code: 'INVALID_TRANSITION' },
    { topic: 'drivers/bob/errors', code: 'TRIP_NOT_FOUND' },
  ]);
});

test('while the database is away it waits, and is applied in order then', async () => {
  let isAway = true;
  let tries = 0;
  work({
    transition: async (request) => {
      tries++;
      if (isAway) throw Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' });
      return store.transition(request);
    },
  });
  const trip = await book();
  const sent = [send(trip.id, 'EN_ROUTE'), send(trip.id, 'ARRIVED')];
  await eventually(
    () => tries,
    (count) => count > 2,
  );
  expect(await statuses(trip.id)).toEqual(['PENDING']);
  isAway = false;
  await Promise.all(sent);
  expect(
    await eventually(
      () => statuses(trip.id),
      (found) => found.length === 3,
    ),
  ).toEqual(['PENDING', 'EN_ROUTE', 'ARRIVED']);
});

test('one that the database refuses for good, and what is none, are set aside', async () => {
  const redis = work({
    transition: async (request) => {
      if (request.reason === 'poison') throw Object.assign(new Error('bad value'), { code: '22P02' });
      return store.transition(request);
    },
  });
  const commands = redis.connect('look', { enableOfflineQueue: true });
  await commands.xadd(transitionLogKey(redis), '*', 'transition', 'nonsense');
  const trip = await book();
  await door.submit({
    tripId: trip.id,
    status: 'EN_ROUTE',
    actor: dispatch,
    reason: 'poison',
    topic: `trips/${trip.id}/transition`,
  });
  await send(trip.id, 'EN_ROUTE');
  expect(await statuses(trip.id)).toEqual(['PENDING', 'EN_ROUTE']);
  const letters = await commands.xrange(redis.key('dead-letters'), '-', '+');
  expect(letters.map(([, fields]) => fields[1])).toEqual(['not a transition', 'bad value']);
  expect(await commands.xlen(transitionLogKey(redis))).toBe(0);
});

test('another worker goes on when the one that applies is gone', async () => {
  const first = work({ transition: () => new Promise(() => undefined) });
  const trip = await book();
  await send(trip.id, 'EN_ROUTE');
  work();
  // From one moment to the next: it does not give anything back
  workers.shift();
  first.close();
  expect(
    await eventually(
      () => statuses(trip.id),
      (found) => found.length === 2,
      15_000,
    ),
  ).toEqual(['PENDING', 'EN_ROUTE']);
});
