import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { OutboxRelay } from '../../ingest/outbox.ts';
import type { Database, Queries } from '../../shared/database/index.ts';
import type { Publisher } from '../../shared/messages/publisher.ts';
import { type Actor, TripStore } from '../../shared/trips/store.ts';
import { Recorder } from '../support/recorder.ts';
import { migratedDatabase, silent } from '../support/trip-database.ts';
import { dropoff, pickup, type StatusMessage } from '../support/trips.ts';

let database: Awaited<ReturnType<typeof migratedDatabase>>;
let connection: Database;
let store: TripStore;

beforeAll(async () => {
  database = await migratedDatabase();
  connection = database.open();
  store = new TripStore(connection.queries);
});
afterAll(() => database?.drop());

const relays: OutboxRelay[] = [];
afterEach(() => Promise.all(relays.splice(0).map((relay) => relay.stop())));

/** A relay as one process has it: with connections of its own. */
function startRelay(publisher: Publisher, queries: Queries = database.open(2).queries): OutboxRelay {
  const relay = new OutboxRelay(queries, publisher, silent);
  relays.push(relay);
  return relay;
}

const dispatch: Actor = { sub: 'dispatch', role: 'SERVICE', trips: [] };
let drivers = 0;

async function book(driverId: string | null = `driver-${drivers++}`): Promise<string> {
  const { id } = await store.create({ riderId: 'ann', driverId, pickup, dropoff, metadata: {} }, dispatch);
  return id;
}

const ride = ['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED'] as const;

async function drive(tripId: string, changed: () => void = () => undefined): Promise<void> {
  for (const status of ride) {
    await store.transition({ tripId, status, actor: dispatch });
    changed();
  }
}

const whole = [1, 2, 3, 4, 5];

/** Nothing is passed over, and nothing comes before its turn; repeats are allowed. */
function expectInOrder(versions: readonly number[]): void {
  let newest = 0;
  for (const version of versions) {
    if (version > newest + 1) throw new Error(`version ${version} came before ${newest + 1}: ${versions}`);
    newest = Math.max(newest, version);
  }
  expect(newest).toBe(5);
}

const left = async () =>
  (
    await connection.queries.one<{ waiting: number }>(
      'select count(*)::int as waiting from trip_outbox where published_at is null',
    )
  ).waiting;

describe('relays of three processes', () => {
  test('publish every change of every trip in its order, once when nothing fails', async () => {
    const recorder = new Recorder();
    const started = [startRelay(recorder), startRelay(recorder), startRelay(recorder)];
    let wake = 0;
    const trips = await Promise.all(Array.from({ length: 20 }, () => book()));
    // Whichever process made a change wakes its own relay
    await Promise.all(trips.map((id) => drive(id, () => started[wake++ % started.length]?.wake())));
    await recorder.until(() => trips.every((id) => recorder.versions(id).includes(5)));
    for (const id of trips) expect(recorder.versions(id)).toEqual(whole);
    const ofTrip = recorder.messages.filter(({ message }) => message.tripId === trips[0]);
    expect(ofTrip.map(({ topic }) => topic.replace(/driver-\d+/, 'driver'))).toEqual(
      whole.flatMap(() => [`trips/${trips[0]}/status`, 'riders/ann/trips', 'drivers/driver/trips']),
    );
  });

  test('and slow brokers: never one message before the one that it follows', async () => {
    const recorder = new Recorder();
    // Each message takes a while, each another
    recorder.before = ({ payload }) =>
      new Promise((resolve) => setTimeout(resolve, 1 + (payload.length % 5)));
    const started = [startRelay(recorder), startRelay(recorder), startRelay(recorder)];
    const trips = await Promise.all(Array.from({ length: 5 }, () => book()));
    await Promise.all(
      trips.map((id) =>
        drive(id, () => {
          for (const relay of started) relay.wake();
        }),
      ),
    );
    await recorder.until(() => trips.every((id) => recorder.versions(id).includes(5)));
    for (const id of trips) expect(recorder.versions(id)).toEqual(whole);
  });
});

test('a change whose process said nothing goes out all the same', async () => {
  const recorder = new Recorder();
  startRelay(recorder);
  const id = await book();
  await drive(id);
  await recorder.until(() => recorder.versions(id).includes(5));
  expect(recorder.versions(id)).toEqual(whole);
});

test('a change goes out when its process says so, and does not wait for the next check', async () => {
  const recorder = new Recorder();
  const [first, second] = [startRelay(recorder), startRelay(recorder)];
  const began = Date.now();
  for (let index = 0; index < 20; index++) {
    const id = await book();
    (index % 2 === 0 ? first : second).wake();
    await recorder.until(() => recorder.versions(id).length > 0);
  }
  // Checks are a second apart: waiting for them would have taken 10 s
  expect(Date.now() - began).toBeLessThan(5000);
});

test('what was left by one that is gone is the first that a new one publishes', async () => {
  const trips = await Promise.all([book(), book(null)]);
  await drive(trips[0] ?? '');
  const recorder = new Recorder();
  startRelay(recorder);
  await recorder.until(() => recorder.versions(trips[0] ?? '').includes(5));
  expect(recorder.versions(trips[0] ?? '')).toEqual(whole);
  await recorder.until(() => recorder.versions(trips[1] ?? '').length > 0);
  // Nobody drives it: there is no driver's topic
  expect(
    recorder.messages.filter(({ message }) => message.tripId === trips[1]).map(({ topic }) => topic),
  ).toEqual([`trips/${trips[1]}/status`, 'riders/ann/trips']);
});

test('more than one batch that was left goes out whole and in order', async () => {
  const trips = await Promise.all(Array.from({ length: 60 }, () => book()));
  await Promise.all(trips.map((id) => drive(id)));
  const recorder = new Recorder();
  startRelay(recorder);
  startRelay(recorder);
  await recorder.until(() => trips.every((id) => recorder.versions(id).includes(5)));
  for (const id of trips) expect(recorder.versions(id)).toEqual(whole);
});

test('what was left goes out in order also where its numbers get one digit longer', async () => {
  await connection.queries.any("select setval(pg_get_serial_sequence('trip_outbox', 'id'), 999997)");
  const id = await book();
  await drive(id);
  const recorder = new Recorder();
  startRelay(recorder);
  await recorder.until(() => recorder.versions(id).includes(5));
  expect(recorder.versions(id)).toEqual(whole);
});

describe('a crash between the publishing of a change and its mark', () => {
  test('a broker that fails in the middle of a batch gets it again, in order', async () => {
    const id = await book();
    await drive(id);
    const recorder = new Recorder();
    let failures = 4;
    recorder.before = async ({ topic, payload }) => {
      const { version } = JSON.parse(payload.toString()) as StatusMessage;
      if (topic.startsWith('riders/') && version === 3 && failures-- > 0)
        throw new Error('the broker is away');
    };
    startRelay(recorder);
    await recorder.until(() => recorder.versions(id).includes(5));
    expect(failures).toBeLessThan(0);
    expect(recorder.versions(id)).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 4, 5]);
  });

  test('a connection that is lost before the mark commits: the next one publishes it again, and nothing is passed over', async () => {
    const trips = await Promise.all(Array.from({ length: 4 }, () => book()));
    const recorder = new Recorder();
    let cuts = 0;
    recorder.before = async () => {
      if (cuts++ % 5 !== 3 || cuts > 40) return;
      // As a crash of the process has it: something is published, and the transaction that would mark it is gone
      await connection.queries.any(
        `select pg_terminate_backend(pid)
           from pg_locks
          where locktype = 'advisory' and granted
            and database = (select oid from pg_database where datname = current_database())`,
      );
    };
    const started = [startRelay(recorder), startRelay(recorder)];
    await Promise.all(
      trips.map((id) =>
        drive(id, () => {
          for (const relay of started) relay.wake();
        }),
      ),
    );
    await recorder.until(() => trips.every((id) => recorder.versions(id).includes(5)));
    for (const id of trips) expectInOrder(recorder.versions(id));
    expect(recorder.messages.length).toBeGreaterThan(trips.length * whole.length * 3);
  });
});

describe('stopping', () => {
  test('publishes what has been committed until then', async () => {
    const recorder = new Recorder();
    const relay = startRelay(recorder);
    const id = await book();
    await drive(id);
    await relay.stop();
    expect(recorder.versions(id)).toEqual(whole);
    expect(await left()).toBe(0);
  });

  test('does not wait for a broker that is away, and leaves the rest to the next one', async () => {
    const away = new Recorder();
    const attempted = new Promise<void>((resolve) => {
      away.before = async () => {
        resolve();
        throw new Error('the broker is away');
      };
    });
    const id = await book();
    const relay = startRelay(away);
    await attempted;
    await relay.stop();
    expect(away.messages).toEqual([]);
    const recorder = new Recorder();
    startRelay(recorder);
    await recorder.until(() => recorder.versions(id).length > 0);
    expect(recorder.versions(id)).toEqual([1]);
  });

  test('does not wait for a database that is away', async () => {
    const own = database.open(2);
    const relay = startRelay(new Recorder(), own.queries);
    await own.close();
    relay.wake();
    await relay.stop();
  });
});
