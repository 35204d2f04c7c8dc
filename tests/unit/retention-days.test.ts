import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { firstDayKept, isOverdue, mayBeGone } from '../../ingest/partitions.ts';
import { dayOfPartition, partitionName } from '../../ingest/sql/create-partition.ts';
import { parseLive } from '../../shared/admission/parse.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const startOfDay = (time: number) => Math.floor(time / DAY_MS) * DAY_MS;

const instants = fc.integer({ min: Date.UTC(2020, 0), max: Date.UTC(2100, 0) });
const retentions = fc.integer({ min: 1, max: 3650 });

test('a day is over an hour after the last position of it could be admitted, to the millisecond', () => {
  const day = Date.UTC(2026, 0, 1);
  const last = Date.UTC(2026, 0, 9, 1);
  expect(isOverdue(day, 7, last - 1)).toBe(false);
  expect(isOverdue(day, 7, last)).toBe(true);
});

test('what is admitted falls into no day that is over, and into none that is made anew', () => {
  fc.assert(
    fc.property(instants, retentions, fc.nat(), (now, retentionDays, back) => {
      const recordedAt = now - (back % (retentionDays * DAY_MS + HOUR_MS));
      const admitted = !(
        'refusal' in parseLive({ latitude: 1, longitude: 1, recordedAt }, now, retentionDays)
      );
      expect(admitted).toBe(recordedAt >= now - retentionDays * DAY_MS);
      const day = startOfDay(recordedAt);
      if (!admitted) return;
      // Also while it takes most of an hour to be written, or clocks differ by that
      expect(isOverdue(day, retentionDays, now + HOUR_MS - 1)).toBe(false);
      expect(day).toBeGreaterThanOrEqual(firstDayKept(retentionDays, now));
    }),
    { numRuns: 2000 },
  );
});

test('the partitions that are made are of no day that is over', () => {
  fc.assert(
    fc.property(instants, retentions, (now, retentionDays) => {
      expect(isOverdue(startOfDay(now - retentionDays * DAY_MS), retentionDays, now)).toBe(false);
    }),
  );
});

test('who writes into a day that is over knows half an hour before anybody takes it away', () => {
  fc.assert(
    fc.property(instants, retentions, fc.nat(5000), (now, retentionDays, days) => {
      const time = now - days * DAY_MS;
      if (isOverdue(startOfDay(time), retentionDays, now))
        expect(mayBeGone(time, retentionDays, now - HOUR_MS / 2)).toBe(true);
    }),
    { numRuns: 2000 },
  );
  expect(mayBeGone(Date.now(), 1, Date.now())).toBe(false);
});

test.each(['location_history', 'location_history_20260230', 'location_history_2026010', 'x_20260101'])(
  '%s is no day',
  (name) => expect(dayOfPartition(name)).toBeUndefined(),
);

test('a day is read from the name that it was given', () => {
  fc.assert(
    fc.property(instants, (time) => expect(dayOfPartition(partitionName(time))).toBe(startOfDay(time))),
  );
});
