import { beforeEach, describe, expect, test } from '@jest/globals';
import { Ledger } from '../../tools/simulate/ledger/ledger.ts';

const TRIP = 'trip-1';
const DRIVER = 'driver-1';
const RIDER = 'rider-1';

let ledger: Ledger;

beforeEach(() => {
  ledger = new Ledger();
  ledger.trip(TRIP, RIDER);
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

describe("a trip's statuses", () => {
  test('are clean when every version comes, also twice', () => {
    for (const version of [1, 1, 2, 3, 2, 3, 4, 5, 6]) hear(version);
    expect(found()).toEqual({});
    expect(ledger.trips.get(TRIP)).toMatchObject({ status: 'COMPLETED', version: 6, hasEnded: true });
  });

  test('show a version that was left out, on both topics together and on one alone', () => {
    hear(1);
    hear(2, ['riders']);
    hear(3, ['riders']);
    hear(3, ['trips']);
    expect(found()).toEqual({ statusMissing: 1 });
    hear(5, ['riders']);
    expect(found()).toEqual({ statusMissing: 3 });
  });

  test('may begin anywhere on a new connection, but leave no gap in the trip', () => {
    for (const version of [1, 2, 3]) hear(version);
    ledger.riderLost(RIDER);
    hear(4);
    expect(found()).toEqual({});
    ledger.riderLost(RIDER);
    hear(6);
    expect(found()).toEqual({ statusMissing: 1 });
  });

  test('are found out when they contradict one another', () => {
    for (const version of [1, 2, 3]) hear(version);
    hear(3, ['riders'], { status: 'ARRIVED' });
    hear(4, ['riders'], { previous: 'PENDING' });
    expect(found()).toEqual({ statusWrong: 2 });
  });

  test('and positions are found out when they are none', () => {
    ledger.status(RIDER, 'riders', undefined);
    ledger.status(RIDER, 'riders', { tripId: TRIP, status: 'FLYING', version: 1, driverId: null });
    ledger.location(RIDER, TRIP, { tripId: TRIP, driverId: DRIVER, recordedAt: 'soon' }, false, 0);
    expect(found()).toEqual({ messageMalformed: 3 });
  });
});
