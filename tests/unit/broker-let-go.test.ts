import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { letGoInGroups } from '../../broker/let-go.ts';
import type { SessionClient } from '../../broker/session.ts';

const GROUP = 250;

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

type Told = { prepared: number[]; closed: { number: number; at: number }[] };

/** Clients that tell when they were closed, in ms from now. */
function crowd(size: number): { clients: (SessionClient & { number: number })[]; told: Told } {
  const startedAt = Date.now();
  const told: Told = { prepared: [], closed: [] };
  const clients = Array.from({ length: size }, (_, number) => ({
    number,
    closed: false,
    close() {
      told.closed.push({ number, at: Date.now() - startedAt });
    },
  }));
  return { clients: clients as unknown as (SessionClient & { number: number })[], told };
}

async function letGo(clients: readonly SessionClient[], told: Told): Promise<void> {
  const done = letGoInGroups(clients, (client) => {
    told.prepared.push((client as SessionClient & { number: number }).number);
  });
  await jest.advanceTimersByTimeAsync(60_000);
  await done;
}

test('clients go in groups of 250 with a pause before each; the last group stays to be drained', async () => {
  const { clients, told } = crowd(3 * GROUP + 1);
  await letGo(clients, told);
  expect(told.closed).toHaveLength(3 * GROUP);
  expect(told.prepared).toEqual(told.closed.map(({ number }) => number));
  const times = [...new Set(told.closed.map(({ at }) => at))];
  expect(times.map((time) => told.closed.filter(({ at }) => at === time).length)).toEqual([
    GROUP,
    GROUP,
    GROUP,
  ]);
  for (const [index, time] of times.entries()) {
    const pause = time - (times[index - 1] ?? 0);
    expect(pause).toBeGreaterThanOrEqual(50);
    expect(pause).toBeLessThanOrEqual(100);
  }
});

test('they go in no order that they came in', async () => {
  const { clients, told } = crowd(4 * GROUP);
  await letGo(clients, told);
  const numbers = told.closed.map(({ number }) => number);
  expect(numbers).not.toEqual([...numbers].sort((a, b) => a - b));
  expect(new Set(numbers).size).toBe(3 * GROUP);
});

test('each is prepared before its group is closed, and one that has gone by itself meanwhile is not closed again', async () => {
  const { clients, told } = crowd(2 * GROUP);
  const done = letGoInGroups(clients, (client) => {
    const { number } = client as SessionClient & { number: number };
    told.prepared.push(number);
    if (number % 2 === 0) client.closed = true;
  });
  expect([told.prepared.length, told.closed.length]).toEqual([GROUP, 0]);
  await jest.advanceTimersByTimeAsync(1000);
  await done;
  expect(told.closed.map(({ number }) => number)).toEqual(told.prepared.filter((number) => number % 2 === 1));
});

test.each([0, 1, GROUP])('%i clients are all left to the end', async (size) => {
  const { clients, told } = crowd(size);
  await letGo(clients, told);
  expect(told).toEqual({ prepared: [], closed: [] });
});

test('however many there are, it takes no more than 8 s', async () => {
  const { clients, told } = crowd(200 * GROUP);
  await letGo(clients, told);
  expect(told.closed).toHaveLength(199 * GROUP);
  expect(told.closed.at(-1)?.at).toBeLessThanOrEqual(8000);
});
