import { beforeEach, describe, expect, test } from '@jest/globals';
import type { EtaEstimator } from '../../shared/eta/index.ts';
import type { Publisher } from '../../shared/messages/publisher.ts';
import type { LoggedPosition } from '../../shared/position-log/index.ts';
import { type ActiveTrip, ActiveTrips, tripIdAt } from '../../shared/trips/active-trips.ts';
import { PositionFeed } from '../../shared/trips/position-feed.ts';
import type { Trip } from '../../shared/trips/trip.ts';
import { dropoff, pickup, type TripStatus } from '../support/trips.ts';

const BEGAN = 1_800_000_000_000;

const trip = (status: TripStatus, fields: Partial<Trip> = {}): Trip => ({
  id: 'trip-1',
  riderId: 'ann',
  driverId: 'bob',
  status,
  version: 2,
  pickup,
  dropoff,
  metadata: {},
  createdAt: new Date(BEGAN).toISOString(),
  updatedAt: new Date(BEGAN).toISOString(),
  enRouteAt: new Date(BEGAN).toISOString(),
  arrivedAt: null,
  startedAt: status === 'IN_PROGRESS' ? new Date(BEGAN + 60_000).toISOString() : null,
  completedAt: null,
  cancelledAt: null,
  cancelReason: null,
  distanceMeters: null,
  durationSeconds: null,
  ...fields,
});

const position = (second: number, fields: Partial<LoggedPosition> = {}): LoggedPosition => ({
  driverId: 'bob',
  latitude: 48.1,
  longitude: 16.37,
  bearing: null,
  speed: null,
  accuracy: null,
  altitude: null,
  battery: null,
  recordedAt: BEGAN + second * 1000,
  receivedAt: BEGAN + second * 1000 + 20,
  tripId: 'trip-1',
  timeAssigned: false,
  ...fields,
});

let trips: ActiveTrips;
let feed: PositionFeed;
let sent: { topic: string; payload: { recordedAt: string; near?: string; eta?: { to: string } } }[];
let written: number;
let forgotten: string[];
let arrived: ActiveTrip[];

function start(autoArrive = false): void {
  sent = [];
  written = 0;
  forgotten = [];
  arrived = [];
  const publisher: Publisher = {
    stream(topic, payload, done) {
      sent.push({ topic, payload: JSON.parse(payload.toString()) });
      done?.();
    },
    notify: () => Promise.reject(new Error('positions are a stream')),
  };
  const eta: EtaEstimator = {
    observe: () => undefined,
    estimate: () => ({ seconds: 60, meters: 500 }),
    forget: (tripId, driverId) => forgotten.push(`${tripId} ${driverId}`),
    stop: () => undefined,
  };
  trips = new ActiveTrips();
  feed = new PositionFeed({
    publisher,
    trips,
    eta,
    arrivalRadiusMeters: 75,
    onArrival: autoArrive ? (found) => arrived.push(found) : undefined,
  });
}
beforeEach(() => start());

function change(next: Trip, current?: LoggedPosition): void {
  trips.apply(next);
  feed.apply(next, current);
}

const deliver = (given: LoggedPosition) =>
  feed.deliver(given, trips.ofDriver(given.driverId), () => written++);
const topics = () => sent.map(({ topic }) => topic);
const snapshot = () => {
  const payload = feed.snapshot('bob', 'trip-1');
  return payload === undefined ? undefined : JSON.parse(payload.toString());
};

describe('a position of a driver', () => {
  test('goes to its own topic alone when it is on no trip, and before and after one', () => {
    deliver(position(0, { tripId: null }));
    change(trip('PENDING', { enRouteAt: null }));
    deliver(position(1, { tripId: null }));
    change(trip('EN_ROUTE'));
    change(trip('COMPLETED'));
    deliver(position(2, { tripId: null }));
    expect(topics()).toEqual(Array(3).fill('drivers/bob/location'));
    expect(written).toBe(3);
  });

  test.each(['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS'] as const)(
    'goes to its trip as well while that is %s',
    (status) => {
      change(trip(status));
      deliver(position(1));
      expect(topics()).toEqual(['drivers/bob/location', 'trips/trip-1/location']);
      expect(sent[1]?.payload).toEqual({
        tripId: 'trip-1',
        driverId: 'bob',
        latitude: 48.1,
        longitude: 16.37,
        recordedAt: new Date(BEGAN + 1000).toISOString(),
        receivedAt: new Date(BEGAN + 1020).toISOString(),
        eta: { seconds: 60, meters: 500, to: status === 'EN_ROUTE' ? 'pickup' : 'dropoff' },
      });
      // Measured once, when it was written to whoever follows the trip
      expect(written).toBe(1);
    },
  );

  test('goes to the trip that the driver is on now, not to the one before', () => {
    change(trip('EN_ROUTE'));
    change(trip('CANCELLED'));
    change(trip('EN_ROUTE', { id: 'trip-2' }));
    deliver(position(1, { tripId: 'trip-2' }));
    // The end of the first is told late
    change(trip('CANCELLED'));
    deliver(position(2, { tripId: 'trip-2' }));
    expect(topics().filter((topic) => topic.startsWith('trips'))).toEqual(
      Array(2).fill('trips/trip-2/location'),
    );
  });
});

describe('a snapshot', () => {
  test('is of the newest position, whether it came live or was known when the driver set out', () => {
    change(trip('EN_ROUTE'), position(5));
    expect(snapshot()).toMatchObject({ recordedAt: new Date(BEGAN + 5000).toISOString() });
    deliver(position(9));
    // Something older does not take its place
    feed.apply(trip('EN_ROUTE'), position(5));
    expect(snapshot()).toMatchObject({ recordedAt: new Date(BEGAN + 9000).toISOString(), tripId: 'trip-1' });
  });

  test('is there only while the trip is under way', () => {
    change(trip('PENDING'), position(1));
    expect(snapshot()).toBeUndefined();
    change(trip('IN_PROGRESS'), position(1));
    expect(snapshot()).toMatchObject({ eta: { to: 'dropoff' } });
    expect(feed.snapshot('bob', 'trip-2')).toBeUndefined();
    expect(feed.snapshot('eve', 'trip-1')).toBeUndefined();
    change(trip('COMPLETED'));
    expect(snapshot()).toBeUndefined();
  });

  test('is not of a driver who was never heard of', () => {
    change(trip('EN_ROUTE'));
    expect(snapshot()).toBeUndefined();
  });
});

describe('a driver who waits at the pickup', () => {
  const waiting = (second: number) => position(second, { ...pickup, speed: 0 });

  test('is near it until it drives off, or the trip goes on', () => {
    change(trip('EN_ROUTE'));
    for (const second of [0, 10]) deliver(waiting(second));
    expect(sent.at(-1)?.payload.near).toBe('pickup');
    expect(snapshot()).toMatchObject({ near: 'pickup' });
    deliver(position(20, { speed: 10 }));
    expect(sent.at(-1)?.payload.near).toBeUndefined();
    for (const second of [30, 40]) deliver(waiting(second));
    expect(snapshot()).toMatchObject({ near: 'pickup' });
    change(trip('ARRIVED'));
    expect(snapshot()).not.toHaveProperty('near');
    deliver(waiting(50));
    expect(sent.at(-1)?.payload.near).toBeUndefined();
  });

  test('with AUTO_ARRIVE has arrived, and no hint is given', () => {
    start(true);
    change(trip('EN_ROUTE'));
    for (const second of [0, 10]) deliver(waiting(second));
    expect(arrived).toMatchObject([{ id: 'trip-1', version: 2 }]);
    expect(sent.at(-1)?.payload.near).toBeUndefined();
    change(trip('ARRIVED'));
    deliver(waiting(20));
    expect(arrived).toHaveLength(1);
  });
});

test.each(['COMPLETED', 'CANCELLED'] as const)(
  'a trip that is %s is forgotten, also by whoever estimates',
  (status) => {
    change(trip('EN_ROUTE'));
    deliver(position(1));
    expect(forgotten).toEqual([]);
    change(trip(status));
    expect(forgotten).toEqual(['trip-1 bob']);
  },
);

describe('the trip that a position belongs to', () => {
  const tripOf = (kind: 'live' | 'backlog', second: number) =>
    tripIdAt(trips.ofDriver('bob'), kind, BEGAN + second * 1000);

  test('is the one that the driver is on when it comes live, whatever its time', () => {
    expect(tripOf('live', 0)).toBeNull();
    change(trip('EN_ROUTE'));
    expect([tripOf('live', 1), tripOf('live', -3600)]).toEqual(['trip-1', 'trip-1']);
    change(trip('CANCELLED'));
    expect(tripOf('live', 1)).toBeNull();
  });

  test('is that one for a backlog only if it was recorded since the current part of the trip began', () => {
    change(trip('EN_ROUTE'));
    expect([tripOf('backlog', -1), tripOf('backlog', 0)]).toEqual([null, 'trip-1']);
    change(trip('IN_PROGRESS'));
    expect([tripOf('backlog', 59), tripOf('backlog', 60)]).toEqual([null, 'trip-1']);
  });
});
