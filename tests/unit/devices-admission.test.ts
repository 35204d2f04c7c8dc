import { expect, test } from '@jest/globals';
import { admitDevicePosition } from '../../shared/devices/admit.ts';

const NOW = Date.UTC(2026, 10, 23, 17, 30);

/** Which way into the admission a position took. */
function way(recordedAt: unknown): string {
  const taken: string[] = [];
  const position = { latitude: 48.2, longitude: 16.4, recordedAt };
  admitDevicePosition(
    {
      live: (driverId, payload) => taken.push(`live ${driverId} ${payload === position}`),
      backlog: (driverId, payload) =>
        taken.push(`backlog ${driverId} ${(payload as unknown[])[0] === position}`),
    },
    'driver-1',
    position,
    NOW,
    () => undefined,
  );
  return taken.join();
}

test.each([
  ['of now', NOW],
  ['that a slow network took half a minute for', NOW - 30_000],
  ['from a clock that is ahead', NOW + 50_000],
  ['without a time', undefined],
  ['with a time that is none', 'noon'],
])('a position %s is live', (_what, recordedAt) => {
  expect(way(recordedAt)).toBe('live driver-1 true');
});

test.each([
  ['a little more than half a minute', NOW - 30_001],
  ['a week', NOW - 7 * 86_400_000],
])('a position that waited in its device for %s has the budget of a backlog', (_what, recordedAt) => {
  expect(way(recordedAt)).toBe('backlog driver-1 true');
});
