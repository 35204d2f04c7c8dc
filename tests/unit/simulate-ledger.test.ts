import { beforeEach, describe, expect, test } from '@jest/globals';
import { Ledger } from '../../tools/simulate/ledger/ledger.ts';
import type { SentPosition } from '../../tools/simulate/ledger/sent-position.ts';
import type { TripLedger } from '../../tools/simulate/ledger/trip-ledger.ts';

const TRIP = 'trip-1';
const DRIVER = 'driver-1';
const RIDER = 'rider-1';

let ledger: Ledger;
let trip: TripLedger;
/** One clock for everything: performance.now() and recordedAt alike. */
let now: number;

beforeEach(() => {
  ledger = new Ledger();
  trip = ledger.trip(TRIP, RIDER);
  now = 1_000;
});

const found = () => Object.fromEntries([...ledger.problems].map(({ kind, count }) => [kind, count]));

const statuses = ['PENDING', 'PENDING', 'EN_ROUTE', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED'];

/** The rider hears of a version, on one topic or on both. */
function hear(version: number, on: readonly ('riders' | 'trips')[] = ['riders', 'trips'], change = {}): void {
  const status = statuses[version - 1];
  const previous = statuses[version - 2] ?? null;
  for (const source of on)
    ledger.status(RIDER, source, { tripId: TRIP, status, previous, version, driverId: DRIVER, ...change });
}

/** The driver records a position, and publishes it. */
function publish(): SentPosition {
  now += 1_000;
  const position: SentPosition = { recordedAt: now, createdAt: now, sentAt: undefined, acknowledged: false };
  ledger.recorded(ledger.driver(DRIVER), position, trip);
  ledger.published(position, now);
  return position;
}

const acknowledge = (position: SentPosition) =>
  ledger.acknowledged(ledger.driver(DRIVER), position, trip, now + 2);

function deliver({ recordedAt }: SentPosition, { retained = false, change = {} } = {}): void {
  const fields = {
    tripId: TRIP,
    driverId: DRIVER,
    recordedAt: new Date(recordedAt).toISOString(),
    ...change,
  };
  ledger.location(RIDER, TRIP, fields, retained, now + 5);
}

function publishAndDeliver(): SentPosition {
  const position = publish();
  acknowledge(position);
  deliver(position);
  return position;
}

/** A trip with everything in its place, up to EN_ROUTE. */
function setOut(): void {
  trip.followed(now);
  hear(1);
  trip.assigned(DRIVER);
  trip.driverWasTold = true;
  hear(2);
  trip.setOut(DRIVER);
  hear(3);
  trip.underWay();
}

function complete(): void {
  trip.ending();
  for (const version of [4, 5, 6]) hear(version);
}

describe('the books of a trip', () => {
  test('are clean when everything comes, each in its order, statuses also twice', () => {
    setOut();
    for (let count = 0; count < 5; count++) publishAndDeliver();
    hear(3);
    hear(2, ['riders']);
    complete();
    ledger.close();
    expect(found()).toEqual({});
    expect(ledger.statistics).toMatchObject({ published: 5, acknowledged: 5, delivered: 5 });
    expect(ledger.statistics.toRider.percentile(50)).toBeCloseTo(5, 1);
    expect(trip).toMatchObject({ status: 'COMPLETED', version: 6, hasEnded: true });
  });

  test('find an acknowledged position that never came', () => {
    setOut();
    publishAndDeliver();
    acknowledge(publish());
    publishAndDeliver();
    complete();
    ledger.close();
    expect(found()).toEqual({ liveMissing: 1 });
  });

  test('do not miss what was acknowledged only after the end was asked for', () => {
    setOut();
    const last = publish();
    trip.ending();
    acknowledge(last);
    complete();
    ledger.close();
    expect(found()).toEqual({});
  });

  test('do not miss what was recorded before the rider was subscribed, or while it was away', () => {
    setOut();
    acknowledge(publish());
    ledger.riderLost(RIDER);
    acknowledge(publish());
    now += 500;
    trip.followed(now);
    publishAndDeliver();
    complete();
    ledger.close();
    expect(found()).toEqual({});
  });

  test('miss what is recorded after the rider is back', () => {
    setOut();
    ledger.riderLost(RIDER);
    trip.followed(now);
    acknowledge(publish());
    complete();
    ledger.close();
    expect(found()).toEqual({ liveMissing: 1 });
  });

  test('find an older position after a newer one, and one that comes twice', () => {
    setOut();
    const first = publishAndDeliver();
    const second = publishAndDeliver();
    deliver(second);
    deliver(first);
    expect(found()).toEqual({ liveDoubled: 1, liveDisordered: 1 });
  });

  test('take the snapshot of a subscription for no double, and for no delivery', () => {
    setOut();
    const position = publishAndDeliver();
    deliver(position, { retained: true });
    ledger.riderLost(RIDER);
    trip.followed(now);
    deliver(position, { retained: true });
    expect(found()).toEqual({});
    expect(ledger.statistics.delivered).toBe(1);
  });

  test('find what is shown before EN_ROUTE and after the end', () => {
    trip.followed(now);
    hear(1);
    trip.assigned(DRIVER);
    trip.driverWasTold = true;
    const early = publish();
    deliver(early);
    expect(found()).toEqual({ leak: 1 });
    hear(2);
    trip.setOut(DRIVER);
    hear(3);
    trip.underWay();
    complete();
    deliver(publish());
    expect(found()).toEqual({ leak: 2 });
  });

  test('find positions of another driver, of another trip, and for another rider', () => {
    setOut();
    deliver(publish(), { change: { driverId: 'driver-2' } });
    deliver(publish(), { change: { tripId: 'trip-2' } });
    expect(found()).toEqual({ leak: 2 });
    const recordedAt = new Date(now).toISOString();
    ledger.location('rider-2', TRIP, { tripId: TRIP, driverId: DRIVER, recordedAt }, false, now);
    ledger.status('rider-2', 'riders', { tripId: TRIP, status: 'EN_ROUTE', version: 3, driverId: DRIVER });
    expect(found()).toEqual({ leak: 4 });
  });

  test('find a driver that was never told of its trip', () => {
    hear(1);
    trip.assigned(DRIVER);
    ledger.close();
    expect(found()).toEqual({ assignmentLost: 1 });
  });
});

describe('the books of a driver', () => {
  test('find what was never acknowledged', () => {
    publish();
    acknowledge(publish());
    ledger.close();
    expect(found()).toEqual({ positionUnacknowledged: 1 });
  });

  test('call a refused position refused, and not missing too', () => {
    setOut();
    acknowledge(publish());
    acknowledge(publish());
    ledger.driver(DRIVER).refused = 1;
    complete();
    ledger.close();
    expect(found()).toEqual({ positionRefused: 1, liveMissing: 1 });
  });
});

test('the books are complete once the trips are over and nothing is missing but what was refused', () => {
  setOut();
  expect(ledger.isComplete).toBe(false);
  const late = publish();
  acknowledge(late);
  acknowledge(publish());
  complete();
  expect(ledger.isComplete).toBe(false);
  ledger.driver(DRIVER).refused = 1;
  expect(ledger.isComplete).toBe(false);
  deliver(late);
  expect(ledger.isComplete).toBe(true);
});

test('a few problems of a kind are told in words, all are counted', () => {
  for (let count = 0; count < 40; count++) ledger.problems.add('leak', `number ${count}`);
  const [leak] = [...ledger.problems];
  expect(leak?.count).toBe(40);
  expect(leak?.told).toHaveLength(5);
  expect(leak?.told[0]).toBe('number 0');
});
