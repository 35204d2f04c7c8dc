import { expect, test } from '@jest/globals';
import { RestartWindow } from '../../shared/trips/restart-window.ts';

const MINUTE = 60_000;
const started = 1_800_000_000_000;

test('before a first start nothing was missed', () => {
  const window = new RestartWindow(undefined, started);
  expect(window.since(started)).toBeUndefined();
  expect(window.since(started + MINUTE)).toBeUndefined();
});

test('whoever comes back within a minute of a restart is told what was written shortly before it', () => {
  const last = started - 5000;
  const window = new RestartWindow(last, started);
  for (const now of [started, started + MINUTE]) {
    const since = window.since(now) ?? Number.NaN;
    expect(since).toBeLessThanOrEqual(last - 30_000);
    expect(since).toBeGreaterThan(last - 10 * MINUTE);
  }
});

test('however long the process was away, what it wrote last is told', () => {
  const last = started - 24 * 60 * MINUTE;
  expect(new RestartWindow(last, started).since(started + 1000)).toBeLessThan(last);
});

test('whoever comes later is told the latest alone', () => {
  const window = new RestartWindow(started - 1000, started);
  expect(window.since(started + 10 * MINUTE)).toBeUndefined();
});
