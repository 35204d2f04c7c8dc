import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { createDirectPositionLog, type DirectLogOptions } from '../../shared/position-log/direct.ts';
import type { LoggedPosition, Outcome, PositionLog, Submission } from '../../shared/position-log/index.ts';

const START = Date.parse('2026-11-23T12:00:00Z');
const HOUR_MS = 3_600_000;

let log: PositionLog;
let written: LoggedPosition[];
/** Batches that wait for the database to answer, while it is slow. */
let waiting: (() => void)[];
let slow: boolean;
/** What the test itself does not wait for: kept, or rejected when it closes the log at its end. */
let settlements: Promise<unknown>[];

beforeEach(() => {
  jest.useFakeTimers({ now: START });
  written = [];
  waiting = [];
  slow = false;
  settlements = [];
});
afterEach(async () => {
  const closing = log.close(0);
  await jest.advanceTimersByTimeAsync(0);
  await closing;
  await Promise.all(settlements);
  jest.useRealTimers();
});

function open(options: Partial<DirectLogOptions> = {}): void {
  log = createDirectPositionLog({
    write: (positions) =>
      new Promise((resolve) => {
        const answer = () => {
          written.push(...positions);
          resolve(positions.map((): Outcome => 'accepted'));
        };
        if (slow) waiting.push(answer);
        else answer();
      }),
    newest: new Map(),
    maxQueuedPositions: 1000,
    historyRetentionDays: 7,
    locationMinIntervalMs: 0,
    backlogMaxPerMinute: 6000,
    tripOf: () => undefined,
    ...options,
  });
}

const submission = (driverId: string, kind: 'live' | 'backlog', times: number[]): Submission => ({
  driverId,
  kind,
  receivedAt: Date.now(),
  positions: times.map((recordedAt) => ({
    latitude: 48,
    longitude: 16,
    bearing: null,
    speed: null,
    accuracy: null,
    altitude: null,
    battery: null,
    recordedAt,
  })),
});

const live = (driverId = 'driver-1', recordedAt = Date.now()) => submission(driverId, 'live', [recordedAt]);
const backlog = (driverId: string, size: number, from = Date.now() - 10_000) =>
  submission(
    driverId,
    'backlog',
    Array.from({ length: size }, (_, index) => from + index),
  );

/** What subscribers would get. */
async function delivered(...submissions: Submission[]): Promise<(number | null)[]> {
  const { decisions, kept } = await log.append(submissions);
  settlements.push(Promise.allSettled([kept]));
  return decisions.map((decision) => {
    if (!decision.admitted) throw new Error(decision.code);
    return decision.newest?.recordedAt ?? null;
  });
}

describe('an append', () => {
  test('decides on each message by itself, and keeps what it admits in one batch', async () => {
    open({ locationMinIntervalMs: 5000 });
    const { decisions, kept } = await log.append([
      live('a'),
      live('b'),
      live('a', START + 1),
      backlog('a', 2),
    ]);
    expect(
      decisions.map((decision) => (decision.admitted ? decision.positions.length : decision.code)),
    ).toEqual([1, 1, 'RATE_LIMITED', 2]);
    expect(await kept).toEqual(['accepted', 'accepted', 'accepted', 'accepted']);
    expect(written.map(({ driverId }) => driverId)).toEqual(['a', 'b', 'a', 'a']);
  });

  test('of which nothing is admitted is kept at once', async () => {
    open({ locationMinIntervalMs: 5000 });
    await (await log.append([live()])).kept;
    slow = true;
    expect(await (await log.append([live('driver-1', START + 1)])).kept).toEqual([]);
  });

  test('tells one driver from another', async () => {
    open({ locationMinIntervalMs: 5000 });
    for (let driver = 0; driver < 50; driver++)
      expect(await delivered(live(`driver-${driver}`))).toEqual([START]);
  });
});

describe('live positions that are resent', () => {
  const codes = async (...times: number[]) => {
    const { decisions, kept } = await log.append(times.map((time) => live('driver-1', time)));
    settlements.push(Promise.allSettled([kept]));
    return decisions.map((decision) => (decision.admitted ? 'admitted' : decision.code));
  };
  const times = [START, START + 5000, START + 10_000];

  beforeEach(async () => {
    open({ locationMinIntervalMs: 5000 });
    slow = true;
    for (const time of times) {
      jest.setSystemTime(time);
      expect(await codes(time)).toEqual(['admitted']);
    }
  });

  test('while the database is away are not refused, since none of them is durable', async () => {
    expect(await codes(...times)).toEqual(['admitted', 'admitted', 'admitted']);
    expect(await codes(START + 10_001)).toEqual(['RATE_LIMITED']);
  });

  test('after they were kept are limited like new ones, but for the last, whose acknowledgement may be lost', async () => {
    while (waiting.length > 0) {
      waiting.shift()?.();
      await jest.advanceTimersByTimeAsync(0);
    }
    expect(await codes(...times)).toEqual(['RATE_LIMITED', 'RATE_LIMITED', 'admitted']);
  });
});

describe('a queue that is full', () => {
  beforeEach(() => {
    open({ maxQueuedPositions: 1000 });
    slow = true;
  });

  test('refuses what has no room, and takes what has', async () => {
    await delivered(backlog('a', 500), backlog('b', 499));
    expect(log.pending()).toBe(999);
    const { decisions, kept } = await log.append([backlog('c', 2), live('d'), live('e')]);
    settlements.push(Promise.allSettled([kept]));
    expect(decisions).toEqual([
      expect.objectContaining({ admitted: false, code: 'OVERLOADED', retryAfterMs: expect.any(Number) }),
      expect.objectContaining({ admitted: true }),
      expect.objectContaining({ admitted: false, code: 'OVERLOADED' }),
    ]);
    expect(log.pending()).toBe(1000);
  });

  test('has room again as soon as the database has taken what waits', async () => {
    await delivered(backlog('a', 500), backlog('b', 500));
    await expect(delivered(live('c'))).rejects.toThrow('OVERLOADED');
    waiting.shift()?.();
    await jest.advanceTimersByTimeAsync(0);
    expect(log.pending()).toBe(0);
    expect(await delivered(live('c'))).toEqual([START]);
  });

  test('takes nothing from the limits of those that it refuses', async () => {
    await log.close(0);
    open({ maxQueuedPositions: 1000, locationMinIntervalMs: 5000, backlogMaxPerMinute: 500 });
    await delivered(backlog('a', 500), backlog('b', 500));
    await expect(delivered(backlog('c', 500))).rejects.toThrow('OVERLOADED');
    await expect(delivered(live('c'))).rejects.toThrow('OVERLOADED');
    for (const answer of waiting) answer();
    await jest.advanceTimersByTimeAsync(0);
    expect(await delivered(backlog('c', 500), live('c'))).toEqual([START - 10_000 + 499, START]);
  });

  test('shows how much waits, and how long already', async () => {
    await delivered(live('a'));
    jest.setSystemTime(START + 3000);
    await delivered(live('b'), live('c'));
    expect(log.pending()).toBe(3);
    expect(log.lagMs(START + 4000)).toBe(4000);
    waiting.shift()?.();
    await jest.advanceTimersByTimeAsync(0);
    expect(log.pending()).toBe(2);
    expect(log.lagMs(START + 4000)).toBe(1000);
    // By a clock that was set back
    expect(log.lagMs(START)).toBe(0);
  });
});

describe('what is older than what subscribers have', () => {
  test('is not delivered, also after a restart', async () => {
    open({ newest: new Map([['driver-1', START - 1000]]) });
    expect(await delivered(live('driver-1', START - 1001))).toEqual([null]);
    expect(await delivered(live('driver-1', START - 1000))).toEqual([null]);
    expect(await delivered(backlog('driver-1', 5, START - 2000))).toEqual([null]);
    expect(await delivered(live('driver-1', START - 999))).toEqual([START - 999]);
    expect(await delivered(live('driver-2', START - 5000))).toEqual([START - 5000]);
    expect(written).toHaveLength(9);
  });

  test('is not delivered after days of silence, as long as it is accepted at all', async () => {
    open();
    expect(await delivered(live())).toEqual([START]);
    for (const hours of [1, 25, 6 * 24]) {
      await jest.advanceTimersByTimeAsync(hours * HOUR_MS - (Date.now() - START));
      expect(await delivered(backlog('driver-1', 3, START - 10))).toEqual([null]);
    }
  });

  test('is not delivered either when only backlogs came since the restart', async () => {
    open({ newest: new Map([['driver-1', START]]) });
    await jest.advanceTimersByTimeAsync(30 * HOUR_MS);
    expect(await delivered(backlog('driver-1', 3, START - HOUR_MS))).toEqual([null]);
  });
});

test('a driver is forgotten once all that it may still send is newer', async () => {
  // Its memory shows in one way only: by what it would not deliver
  open({ historyRetentionDays: 2 });
  await delivered(live());
  await jest.advanceTimersByTimeAsync(47 * HOUR_MS);
  expect(await delivered(live('driver-1', START))).toEqual([null]);
  await jest.advanceTimersByTimeAsync(25 * HOUR_MS);
  expect(await delivered(live('driver-1', START))).toEqual([START]);
});

test('closing it rejects what comes then, and what it could not keep', async () => {
  open();
  slow = true;
  const { kept } = await log.append([live()]);
  const closing = log.close(100);
  await Promise.all([jest.advanceTimersByTimeAsync(100), expect(kept).rejects.toThrow('closed')]);
  await closing;
  await expect((await log.append([live('driver-2')])).kept).rejects.toThrow('closed');
  expect(jest.getTimerCount()).toBe(0);
});
