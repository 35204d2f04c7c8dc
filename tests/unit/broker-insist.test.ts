import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { insist } from '../../broker/insist.ts';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** Fails so often, then succeeds. Tells when each try was, in ms from the first. */
function work(failures: number) {
  const startedAt = Date.now();
  const tries: number[] = [];
  return {
    tries,
    run: async () => {
      tries.push(Date.now() - startedAt);
      if (tries.length <= failures) throw new Error(`failure ${tries.length}`);
      return 'done';
    },
  };
}

test('what can be done is done at once, and once', async () => {
  const { run, tries } = work(0);
  const failed = jest.fn();
  expect(await insist(run, () => true, failed)).toBe('done');
  expect([tries, failed.mock.calls]).toEqual([[0], []]);
});

test('what fails is done again after longer and longer pauses, up to a second, until it is done', async () => {
  const { run, tries } = work(8);
  const failed = jest.fn();
  const result = insist(run, () => true, failed);
  await jest.advanceTimersByTimeAsync(10_000);
  expect(await result).toBe('done');
  expect(failed.mock.calls.map(([error, attempt]) => [(error as Error).message, attempt])).toEqual(
    Array.from({ length: 8 }, (_, index) => [`failure ${index + 1}`, index + 1]),
  );
  const pauses = tries.slice(1).map((at, index) => at - (tries[index] ?? 0));
  for (const [index, pause] of pauses.entries()) {
    const longest = Math.min(100 * 2 ** index, 1000);
    expect(pause).toBeGreaterThanOrEqual(Math.floor(0.7 * longest));
    expect(pause).toBeLessThanOrEqual(longest);
  }
});

test('what is not wanted any more when it fails is given up with what it failed with', async () => {
  const { run, tries } = work(9);
  await expect(insist(run, () => false, jest.fn())).rejects.toThrow('failure 1');
  expect(tries).toHaveLength(1);
});

test('what is not wanted any more after the pause is not tried again', async () => {
  const { run, tries } = work(9);
  let isWanted = true;
  const result = insist(run, () => isWanted, jest.fn());
  const given = expect(result).rejects.toThrow('failure 2');
  // After the second failure, at 70 to 100 ms, and before the third try, at 210 or later
  await jest.advanceTimersByTimeAsync(150);
  isWanted = false;
  await jest.advanceTimersByTimeAsync(10_000);
  await given;
  expect(tries).toHaveLength(2);
});
