import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { rejectionCode } from '../../tools/replay/rejections.ts';
import { summaryLines } from '../../tools/replay/summary.ts';
import { Tally } from '../../tools/replay/tally.ts';
import { InFlightWindow } from '../../tools/shared/in-flight.ts';

describe('the window of unacknowledged messages', () => {
  test('closes when full and opens when the oldest is acknowledged', () => {
    const window = new InFlightWindow(2);
    const [first, second] = [window.add(), window.add()];
    expect(window.isOpen).toBe(false);
    window.acknowledge(second);
    expect(window.isOpen).toBe(false);
    window.acknowledge(first);
    expect(window.isOpen).toBe(true);
    expect(window.count).toBe(0);
  });

  test('never has more than its size between the oldest and the newest', () => {
    const steps = fc.array(fc.nat(), { maxLength: 300 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), steps, (size, picks) => {
        const window = new InFlightWindow(size);
        const open: number[] = [];
        for (const pick of picks) {
          if (window.isOpen && pick % 2 === 0) open.push(window.add());
          else for (const place of open.splice(pick % Math.max(1, open.length), 1)) window.acknowledge(place);
          expect(window.count).toBe(open.length);
          expect(Math.max(...open, 0) - Math.min(...open, Math.max(...open, 0))).toBeLessThan(size);
          if (open.length === 0) expect(window.isOpen).toBe(true);
        }
      }),
    );
  });
});

describe('a report on the errors topic', () => {
  const own = new Set(['drivers/a/location']);

  test.each([
    ['{"code":"RATE_LIMITED","topic":"drivers/a/location"}', 'RATE_LIMITED'],
    ['{"code":"RATE_LIMITED"}', 'RATE_LIMITED'],
    ['{"code":7,"topic":"drivers/a/location"}', 'UNKNOWN'],
    ['what?', 'UNKNOWN'],
    ['null', 'UNKNOWN'],
    ['{"code":"FORBIDDEN","topic":"drivers/b/location"}', undefined],
    ['{"code":"INVALID_PAYLOAD","topic":"drivers/a/status"}', undefined],
  ])('%s is %s', (payload, expected) => {
    expect(rejectionCode(payload, own)).toBe(expected);
  });
});

describe('the summary', () => {
  test('of a clean replay', () => {
    const tally = new Tally(2);
    tally.start(1000);
    tally.sent = 2;
    tally.acknowledge(1000, 1002);
    tally.acknowledge(1000, 3000);
    expect(tally.isClean).toBe(true);
    expect(summaryLines(tally, 5, 3)).toEqual([
      'positions in the file  5, 3 drivers',
      'sent                   2',
      'acknowledged           2',
      'rejected               0',
      'reconnects             0',
      'seconds                2.0',
      'positions/s            1',
      expect.stringMatching(/^publish to PUBACK {6}p50 2\.0 ms, p99 (1999|2000)\.\d ms$/),
    ]);
  });

  test('names what was rejected, the most frequent first, and the way out', () => {
    const tally = new Tally(9);
    tally.sent = 4;
    for (const code of ['TOO_OLD', 'RATE_LIMITED', 'RATE_LIMITED']) tally.reject(code);
    const lines = summaryLines(tally, 9, 1);
    expect(tally.isClean).toBe(false);
    expect(lines).toContain('sent                   4 of 9');
    expect(lines).toContain('rejected               3 (RATE_LIMITED 2, TOO_OLD 1)');
    expect(lines.join('\n')).toMatch(
      /RATE_LIMITED: .*LOCATION_MIN_INTERVAL_MS=0[\s\S]*TOO_OLD: .*--shift-to-now/,
    );
  });

  test('of a replay that never started', () => {
    expect(summaryLines(new Tally(1), 1, 1)).toContain('publish to PUBACK      p50 -, p99 -');
  });
});
