import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { SessionClient } from '../../broker/session.ts';
import { SessionExpiry } from '../../broker/session-expiry.ts';

const START = Date.parse('2026-11-23T12:00:00Z');

let expiry: SessionExpiry;
/** Who was ended, and how long after its token (ms). */
let ended: Map<string, number>;
let due: Map<string, number>;

beforeEach(() => {
  jest.useFakeTimers({ now: START });
  ended = new Map();
  due = new Map();
  expiry = new SessionExpiry(({ id }) => {
    ended.set(id, Date.now() - (due.get(id) ?? 0));
  });
});
afterEach(() => {
  expiry.stop();
  jest.useRealTimers();
});

const clients = new Map<string, SessionClient>();

function client(id: string): SessionClient {
  const known = clients.get(id) ?? ({ id } as SessionClient);
  clients.set(id, known);
  return known;
}

function watch(id: string, expiresAt: number): void {
  due.set(id, expiresAt);
  expiry.watch(client(id), expiresAt);
}

describe('a session', () => {
  test('ends within a second of its token, and not before', () => {
    const offsets = [1, 249, 250, 251, 999, 1000, 12_345, 3_600_000];
    for (const offset of offsets) watch(`+${offset}`, START + offset);
    jest.advanceTimersByTime(3_601_000);
    expect([...ended.keys()]).toEqual(offsets.map((offset) => `+${offset}`));
    for (const late of ended.values()) {
      expect(late).toBeGreaterThanOrEqual(0);
      expect(late).toBeLessThan(1000);
    }
  });

  test('whose token has already ended ends at once', () => {
    watch('late', START - 3_600_000);
    watch('now', START);
    jest.advanceTimersByTime(999);
    expect([...ended.keys()].toSorted()).toEqual(['late', 'now']);
  });

  test('with a fresh token goes on until the end of that one', () => {
    watch('driver', START + 5000);
    jest.advanceTimersByTime(4000);
    watch('driver', START + 60_000);
    jest.advanceTimersByTime(55_000);
    expect(ended.size).toBe(0);
    jest.advanceTimersByTime(2000);
    expect(ended.size).toBe(1);
  });

  test('with a token that ends sooner ends sooner', () => {
    watch('driver', START + 60_000);
    watch('driver', START + 1000);
    jest.advanceTimersByTime(2000);
    expect(ended.size).toBe(1);
  });

  test('that is gone is not ended, and leaves the others of its moment alone', () => {
    watch('gone', START + 1000);
    watch('other', START + 1000);
    expiry.forget(client('gone'));
    expiry.forget(client('gone'));
    jest.advanceTimersByTime(2000);
    expect([...ended.keys()]).toEqual(['other']);
  });

  test('is ended once', () => {
    let times = 0;
    const counting = new SessionExpiry(() => times++);
    counting.watch(client('driver'), START + 100);
    jest.advanceTimersByTime(10_000);
    counting.stop();
    expect(times).toBe(1);
  });
});

describe('a clock that is set', () => {
  test('back lets no token live longer than it says', () => {
    watch('before', START + 2000);
    jest.advanceTimersByTime(1000);
    jest.setSystemTime(START - 3_600_000);
    jest.advanceTimersByTime(250);
    watch('after', Date.now() + 2000);
    jest.advanceTimersByTime(3000);
    expect([...ended.keys()]).toEqual(['after']);
    jest.advanceTimersByTime(3_600_000);
    expect([...ended.keys()]).toEqual(['after', 'before']);
  });

  test('forth by half a century ends what is due by then, at once', () => {
    watch('soon', START + 60_000);
    watch('far', START + 100 * 365 * 86_400_000);
    jest.setSystemTime(START + 50 * 365 * 86_400_000);
    jest.advanceTimersByTime(250);
    expect([...ended.keys()]).toEqual(['soon']);
  });
});

test('nothing is left when it is stopped', () => {
  watch('driver', START + 1000);
  expiry.stop();
  expect(jest.getTimerCount()).toBe(0);
});
