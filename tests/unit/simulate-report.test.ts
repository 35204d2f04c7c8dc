import { describe, expect, test } from '@jest/globals';
import { UsageError } from '../../tools/shared/usage-error.ts';
import { Ledger } from '../../tools/simulate/ledger/ledger.ts';
import { parseOptions } from '../../tools/simulate/options.ts';
import { ProgressLines } from '../../tools/simulate/progress.ts';
import { accountOf, summaryLines } from '../../tools/simulate/report.ts';

function defaults() {
  const options = parseOptions([]);
  if (options === undefined) throw new UsageError(['no options']);
  return options;
}

/** Two positions of a driver, one of them seen by a rider 4 ms later. */
function someTraffic(): Ledger {
  const ledger = new Ledger();
  const driver = ledger.driver('driver-1');
  const trip = ledger.trip('trip-1', 'rider-1');
  trip.assigned('driver-1');
  trip.driverWasTold = true;
  trip.setOut('driver-1');
  for (const recordedAt of [1_000, 2_000]) {
    const position = { recordedAt, createdAt: recordedAt, sentAt: undefined, acknowledged: false };
    ledger.recorded(driver, position, trip);
    ledger.published(position, recordedAt);
    ledger.acknowledged(driver, position, trip, recordedAt + 2);
  }
  const recordedAt = new Date(2_000).toISOString();
  const fields = { tripId: 'trip-1', driverId: 'driver-1', recordedAt };
  ledger.location('rider-1', 'trip-1', fields, false, 2_004);
  ledger.status('rider-1', 'riders', {
    tripId: 'trip-1',
    status: 'PENDING',
    previous: null,
    version: 1,
    driverId: 'driver-1',
  });
  return ledger;
}

describe('the progress line', () => {
  test('tells who is there, the trips, the rates, the latency and the errors', () => {
    const ledger = someTraffic();
    ledger.statistics.driversConnected = 3;
    ledger.statistics.ridersConnected = 1;
    ledger.statistics.error('RATE_LIMITED');
    const lines = new ProgressLines(ledger, { drivers: 4, riders: 2 }, 0);
    expect(lines.next(2_000)).toBe(
      '2 s | drivers 3/4, riders 1/2 | trips 1 PENDING | 1 positions/s, 1 acknowledged/s, 1 delivered/s | driver to rider p50 4.0, p99 4.0 ms | errors RATE_LIMITED 1',
    );
    expect(lines.next(3_000)).toBe(
      '3 s | drivers 3/4, riders 1/2 | trips 1 PENDING | 0 positions/s, 0 acknowledged/s, 0 delivered/s | driver to rider p50 -, p99 - ms | errors RATE_LIMITED 1',
    );
  });
});

describe('the account', () => {
  test('of a clean run says so', () => {
    const ledger = someTraffic();
    const account = accountOf({ ledger, options: defaults(), seconds: 2, stored: 2, failure: undefined });
    expect(account).toMatchObject({
      clean: true,
      failure: null,
      positions: { published: 2, acknowledged: 2, refused: 0, delivered: 1, stored: 2 },
      trips: { requested: 1, assigned: 1, completed: 0, cancelled: 0 },
      lost: 0,
      problems: {},
    });
    expect(account.driverToRiderMs.p99).toBeCloseTo(4, 1);
    const lines = summaryLines(account, ledger);
    expect(lines).toContain('acknowledged           2 (1/s)');
    expect(lines.at(-1)).toBe('nothing lost, doubled, out of order or leaked');
    expect(JSON.parse(JSON.stringify(account))).toEqual(account);
  });

  test('lists what is wrong, the first few of each kind', () => {
    const ledger = someTraffic();
    for (let count = 1; count <= 7; count++) ledger.problems.add('positionLost', `driver-1 number ${count}`);
    const account = accountOf({ ledger, options: defaults(), seconds: 2, stored: 2, failure: undefined });
    expect(account).toMatchObject({ clean: false, lost: 7 });
    expect(account.problems).toMatchObject({ positionLost: { count: 7 } });
    const lines = summaryLines(account, ledger);
    expect(lines).toContain('7 acknowledged positions that are not in the history:');
    expect(lines).toContain('  driver-1 number 5');
    expect(lines).toContain('  and 2 more');
    expect(lines.at(-1)).toBe('not clean');
  });

  test('of refused positions explains them', () => {
    const ledger = someTraffic();
    ledger.statistics.error('RATE_LIMITED');
    const account = accountOf({ ledger, options: defaults(), seconds: 2, stored: 2, failure: undefined });
    expect(summaryLines(account, ledger).join('\n')).toMatch(/RATE_LIMITED: .*LOCATION_MIN_INTERVAL_MS=0/);
  });

  test('of a run that broke off is not clean, and says why', () => {
    const ledger = someTraffic();
    const failure = 'no broker answers at mqtt://nowhere';
    const account = accountOf({ ledger, options: defaults(), seconds: 0, stored: 0, failure });
    expect(account.clean).toBe(false);
    expect(summaryLines(account, ledger)).toContain(failure);
  });
});
