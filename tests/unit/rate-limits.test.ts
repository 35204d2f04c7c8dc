import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BacklogBudget, LiveInterval } from '../../shared/position-log/rate-limits.ts';

const START = Date.parse('2026-11-23T12:00:00Z');

describe('the interval of live positions', () => {
  test('lets one through in every interval, and says exactly how long the others would have to wait', () => {
    const gaps = fc.array(fc.nat(12_000), { maxLength: 50 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), gaps, (interval, waits) => {
        const limit = new LiveInterval();
        let now = START;
        let last = Number.NEGATIVE_INFINITY;
        for (const gap of waits) {
          now += gap;
          const wait = limit.take(now, interval);
          expect(wait).toBe(now - last >= interval ? null : last + interval - now);
          if (wait === null) last = now;
        }
      }),
    );
  });

  test('makes nobody wait longer than itself, also when the clock was set back', () => {
    const limit = new LiveInterval();
    expect(limit.take(START, 5000)).toBeNull();
    expect(limit.take(START + 1000, 5000)).toBe(4000);
    const back = START - 3_600_000;
    expect(limit.take(back, 5000)).toBeNull();
    expect(limit.take(back + 4999, 5000)).toBe(1);
    expect(limit.take(back + 5000, 5000)).toBeNull();
  });
});

describe('the budget of backlogs', () => {
  const batches = fc.array(fc.record({ gap: fc.nat(20_000), size: fc.integer({ min: 1, max: 500 }) }), {
    minLength: 1,
    maxLength: 60,
  });
  const perMinute = fc.oneof(fc.integer({ min: 1, max: 20_000 }), fc.constantFrom(1, 10, 500, 6000));

  test('lets through no more than it holds and gets, but for one batch that is larger than all of it', () => {
    fc.assert(
      fc.property(perMinute, batches, (rate, sent) => {
        const budget = new BacklogBudget(START, rate);
        let now = START;
        let passed = 0;
        for (const { gap, size } of sent) {
          now += gap;
          if (budget.take(now, size, rate) !== null) continue;
          passed += size;
          const debt = Math.max(0, size - rate);
          expect(passed).toBeLessThanOrEqual(rate + ((now - START) * rate) / 60_000 + debt + 0.001);
        }
      }),
    );
  });

  test('what was refused passes after the wait that was told, and not long before', () => {
    fc.assert(
      fc.property(perMinute, batches, (rate, sent) => {
        const budget = new BacklogBudget(START, rate);
        let now = START;
        for (const { size } of sent) {
          const wait = budget.take(now, size, rate);
          if (wait === null) continue;
          expect(Number.isInteger(wait) && wait >= 1).toBe(true);
          if (wait > 2) expect(budget.take(now + wait - 2, size, rate)).not.toBeNull();
          now += wait;
          expect(budget.take(now, size, rate)).toBeNull();
        }
      }),
    );
  });

  test('is full again after a minute, and never more than full', () => {
    const budget = new BacklogBudget(START, 6000);
    for (let batch = 0; batch < 12; batch++) expect(budget.take(START, 500, 6000)).toBeNull();
    expect(budget.take(START, 1, 6000)).toBe(10);
    const later = START + 3_600_000;
    for (let batch = 0; batch < 12; batch++) expect(budget.take(later, 500, 6000)).toBeNull();
    expect(budget.take(later, 500, 6000)).toBe(5000);
  });

  test('keeps no batch out for ever, also one that is larger than a minute is worth', () => {
    const budget = new BacklogBudget(START, 100);
    expect(budget.take(START, 500, 100)).toBeNull();
    // The debt of 400 and a full bucket of 100
    expect(budget.take(START, 500, 100)).toBe(300_000);
    expect(budget.take(START + 300_000, 500, 100)).toBeNull();
  });

  test('neither grows nor shrinks by a clock that was set back', () => {
    const budget = new BacklogBudget(START, 600);
    expect(budget.take(START, 600, 600)).toBeNull();
    expect(budget.take(START - 3_600_000, 100, 600)).toBe(10_000);
    expect(budget.take(START - 3_600_000 + 10_000, 100, 600)).toBeNull();
  });
});
