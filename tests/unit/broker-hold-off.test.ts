import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { holdOff } from '../../broker/hold-off.ts';
import { newSession, type SessionClient } from '../../broker/session.ts';
import type { Identity } from '../../shared/auth/identity.ts';

const RETRY_AFTER_MS = 1000;
const identity: Identity = { sub: 'bob', role: 'DRIVER', expiresAt: Number.MAX_SAFE_INTEGER, trips: [] };

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** As much of a client as is held off. */
function client() {
  const made = { session: newSession(identity, 'TCP', false), pause: jest.fn(), close: jest.fn() };
  return made as typeof made & SessionClient;
}

test('what is held off is read no more at once, and closed in a while, once', () => {
  const held = client();
  for (let message = 0; message < 3; message++) holdOff(held, RETRY_AFTER_MS);
  expect([held.session.isHeldOff, held.pause.mock.calls.length]).toEqual([true, 1]);
  jest.advanceTimersByTime(RETRY_AFTER_MS / 2 - 1);
  expect(held.close).not.toHaveBeenCalled();
  jest.advanceTimersByTime(RETRY_AFTER_MS * 2);
  expect(held.close).toHaveBeenCalledTimes(1);
});

test('a fleet is closed over the second half of the time, not at one moment', () => {
  const fleet = Array.from({ length: 300 }, client);
  for (const held of fleet) holdOff(held, RETRY_AFTER_MS);
  const closed = () => fleet.filter(({ close }) => close.mock.calls.length > 0).length;
  const counts = [0.5, 0.75, 1].map((part, index, parts) => {
    jest.advanceTimersByTime((part - (parts[index - 1] ?? 0)) * RETRY_AFTER_MS);
    return closed();
  });
  expect(counts[0]).toBeLessThan(15);
  // Half of them: 150, give or take what chance does once in a million runs
  expect(Math.abs((counts[1] ?? 0) - 150)).toBeLessThan(50);
  expect(counts[2]).toBe(300);
});

test('who has no session yet is left alone', () => {
  const { pause, close } = client();
  holdOff({ pause, close } as unknown as SessionClient, RETRY_AFTER_MS);
  jest.advanceTimersByTime(2 * RETRY_AFTER_MS);
  expect([pause.mock.calls, close.mock.calls]).toEqual([[], []]);
});
