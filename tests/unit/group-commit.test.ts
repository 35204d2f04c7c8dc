import { afterEach, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { GroupCommit } from '../../shared/position-log/group-commit.ts';
import type { LoggedPosition, Outcome } from '../../shared/position-log/index.ts';

const position = (recordedAt: number, receivedAt = recordedAt): LoggedPosition => ({
  driverId: 'driver-1',
  recordedAt,
  receivedAt,
  latitude: 48,
  longitude: 16,
  bearing: null,
  speed: null,
  accuracy: null,
  altitude: null,
  battery: null,
  tripId: null,
  timeAssigned: false,
});

/** Positions from, from + 1, … */
const range = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => position(from + index));

const timesOf = (positions: readonly LoggedPosition[]) => positions.map(({ recordedAt }) => recordedAt);

/** A database that answers when it is told to. What it makes of a position depends on that alone. */
class Database {
  readonly batches: number[][] = [];
  private readonly waiting: { resolve(outcomes: Outcome[]): void; reject(error: Error): void }[] = [];

  static outcome(recordedAt: number): Outcome {
    if (recordedAt % 7 === 3) return 'duplicate';
    return recordedAt % 11 === 5 ? 'INVALID_PAYLOAD' : 'accepted';
  }

  write = (positions: readonly LoggedPosition[]): Promise<readonly Outcome[]> => {
    const times = timesOf(positions);
    this.batches.push(times);
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve: () => resolve(times.map(Database.outcome)), reject });
    });
  };

  get underWay(): number {
    return this.waiting.length;
  }

  async commit(): Promise<void> {
    this.waiting.shift()?.resolve([]);
    await settled();
  }

  async fail(): Promise<void> {
    this.waiting.shift()?.reject(new Error('away'));
    await settled();
  }
}

/** All that follows from what has been done so far has happened. */
const settled = async () => {
  for (let turns = 0; turns < 20; turns++) await Promise.resolve();
};

afterEach(() => {
  jest.useRealTimers();
});

describe('a group commit', () => {
  test('writes a lone position at once, and takes all that came meanwhile together', async () => {
    const database = new Database();
    const commit = new GroupCommit(database.write);
    const kept = [commit.add(range(0, 1)), commit.add(range(1, 2)), commit.add(range(3, 1))];
    expect(database.batches).toEqual([[0]]);
    await database.commit();
    expect(database.batches).toEqual([[0], [1, 2, 3]]);
    kept.push(commit.add(range(4, 3)));
    await database.commit();
    await database.commit();
    expect(database.batches).toEqual([[0], [1, 2, 3], [4, 5, 6]]);
    expect(await Promise.all(kept)).toEqual([
      ['accepted'],
      ['accepted', 'accepted'],
      ['duplicate'],
      ['accepted', 'INVALID_PAYLOAD', 'accepted'],
    ]);
  });

  test('settles in the order of arrival, and none before its commit', async () => {
    const database = new Database();
    const commit = new GroupCommit(database.write);
    const order: number[] = [];
    for (let index = 0; index < 5; index++)
      void commit.add(range(index * 10, 1)).then(() => order.push(index));
    await settled();
    expect(order).toEqual([]);
    await database.commit();
    expect(order).toEqual([0]);
    await database.commit();
    expect(order).toEqual([0, 1, 2, 3, 4]);
  });

  test('has one transaction under way, whatever comes', async () => {
    const database = new Database();
    const commit = new GroupCommit(database.write);
    for (let index = 0; index < 10; index++) {
      void commit.add(range(index * 10, 3));
      await settled();
      expect(database.underWay).toBe(1);
    }
    await commit.add([]);
    expect(database.batches).toHaveLength(1);
  });

  test('takes no more than a thousand at a time, but never tears a message apart', async () => {
    const database = new Database();
    const commit = new GroupCommit(database.write);
    for (const size of [1, 500, 500, 1, 1500, 2]) void commit.add(range(0, size));
    for (let batch = 0; batch < 5; batch++) await database.commit();
    expect(database.batches.map(({ length }) => length)).toEqual([1, 1000, 1, 1500, 2]);
  });

  test('knows how many wait, and since when', async () => {
    const database = new Database();
    const commit = new GroupCommit(database.write);
    expect([commit.size, commit.oldest]).toEqual([0, undefined]);
    void commit.add([position(1, 100)]);
    void commit.add([position(2, 200), position(3, 200)]);
    void commit.add([position(4, 300)]);
    expect([commit.size, commit.oldest]).toEqual([4, 100]);
    await database.commit();
    expect([commit.size, commit.oldest]).toEqual([3, 200]);
    await database.commit();
    expect([commit.size, commit.oldest]).toEqual([0, undefined]);
  });

  test('tells what was committed, before it is acknowledged', async () => {
    const database = new Database();
    const events: string[] = [];
    const commit = new GroupCommit(database.write, {
      committed: (positions) => events.push(`committed ${timesOf(positions).join()}`),
    });
    void commit.add(range(1, 2)).then(() => events.push('acknowledged'));
    await database.commit();
    expect(events).toEqual(['committed 1,2', 'acknowledged']);
  });
});

describe('while the database is away', () => {
  test('the same rows are tried again, at longer and longer intervals, and nobody overtakes them', async () => {
    jest.useFakeTimers();
    const database = new Database();
    const retries: [number, number][] = [];
    const commit = new GroupCommit(database.write, {
      retrying: (_error, attempt, positions) => retries.push([attempt, positions]),
    });
    const order: string[] = [];
    void commit.add(range(10, 2)).then(() => order.push('first'));
    void commit.add(range(20, 1)).then(() => order.push('second'));
    for (const wait of [100, 200, 400, 800, 1600, 2000, 2000]) {
      const tries = database.batches.length;
      await database.fail();
      await jest.advanceTimersByTimeAsync(wait - 1);
      expect(database.batches).toHaveLength(tries);
      await jest.advanceTimersByTimeAsync(1);
      expect(database.batches).toHaveLength(tries + 1);
    }
    expect(new Set(database.batches.map(String))).toEqual(new Set(['10,11']));
    expect(retries).toEqual([1, 2, 3, 4, 5, 6, 7].map((attempt) => [attempt, 2]));
    expect([commit.size, order]).toEqual([3, []]);
    await database.commit();
    await database.commit();
    expect(order).toEqual(['first', 'second']);
    expect(commit.size).toBe(0);
  });
});

describe('closing', () => {
  test('waits for all that was added', async () => {
    const database = new Database();
    const commit = new GroupCommit(database.write);
    const kept = [commit.add(range(0, 1)), commit.add(range(1, 1))];
    let closed = false;
    const closing = commit.close(60_000).then(() => {
      closed = true;
    });
    await database.commit();
    expect(closed).toBe(false);
    await database.commit();
    await closing;
    expect(await Promise.all(kept)).toEqual([['accepted'], ['accepted']]);
  });

  test('gives up after its time: what is left is rejected, also what is under way', async () => {
    jest.useFakeTimers();
    const database = new Database();
    const commit = new GroupCommit(database.write);
    const failures: string[] = [];
    for (const from of [0, 1, 2])
      commit.add(range(from, 2)).catch(({ message }: Error) => failures.push(message));
    const closing = commit.close(5000);
    await jest.advanceTimersByTimeAsync(4999);
    expect(failures).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    await closing;
    await settled();
    expect(failures).toEqual(Array.from({ length: 3 }, () => 'the position log is closed'));
    // Only what may still be committed counts
    expect(commit.size).toBe(2);
    await database.commit();
    expect([commit.size, commit.oldest, database.underWay]).toEqual([0, undefined, 0]);
  });

  test('ends the tries of a database that does not come back', async () => {
    jest.useFakeTimers();
    const database = new Database();
    const commit = new GroupCommit(database.write);
    const failed = commit.add(range(0, 1)).catch(({ message }: Error) => message);
    await database.fail();
    const closing = commit.close(50);
    await jest.advanceTimersByTimeAsync(50);
    await closing;
    expect(await failed).toBe('the position log is closed');
    await jest.advanceTimersByTimeAsync(60_000);
    expect(database.batches).toHaveLength(1);
    expect(commit.size).toBe(0);
  });

  test('takes nothing more, and is done at once when there is nothing', async () => {
    const database = new Database();
    const commit = new GroupCommit(database.write);
    await commit.close(0);
    await expect(commit.add(range(0, 1))).rejects.toThrow('the position log is closed');
    expect(await commit.add([])).toEqual([]);
    expect([commit.size, database.batches.length]).toEqual([0, 0]);
  });
});

test('whatever arrives and fails in whatever order, each is settled once, with outcomes of its own', async () => {
  const action = fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 0, max: 5 }).map((size) => ({ add: size })) },
    { weight: 2, arbitrary: fc.constant({ commit: true }) },
    { weight: 1, arbitrary: fc.constant({ fail: true }) },
    { weight: 1, arbitrary: fc.constant({ wait: true }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 60 }), fc.boolean(), async (actions, patient) => {
      jest.useFakeTimers();
      const database = new Database();
      const commit = new GroupCommit(database.write);
      const added: LoggedPosition[][] = [];
      const results = new Map<number, string>();
      let next = 0;
      for (const step of actions) {
        if ('add' in step) {
          const index = added.length;
          const positions = range(next, step.add);
          next += step.add;
          added.push(positions);
          const settle = (result: string) => results.set(index, results.has(index) ? 'twice' : result);
          commit.add(positions).then(
            (outcomes) => settle(outcomes.join()),
            () => settle('rejected'),
          );
        } else if ('commit' in step) await database.commit();
        else if ('fail' in step) await database.fail();
        else await jest.advanceTimersByTimeAsync(2000);
        expect(database.underWay).toBeLessThanOrEqual(1);
      }
      if (patient) {
        while (commit.size > 0) {
          await jest.advanceTimersByTimeAsync(2000);
          await database.commit();
        }
      }
      const closing = commit.close(10);
      await jest.advanceTimersByTimeAsync(10);
      await closing;
      await settled();
      const expected = added.map((positions) => timesOf(positions).map(Database.outcome).join());
      added.forEach((_, index) => {
        const result = results.get(index);
        expect(patient ? [expected[index]] : [expected[index], 'rejected']).toContain(result);
      });
      // Committed in the order of arrival: every batch goes on where the last one ended, or is tried again
      const firstOfEach = [...new Map(database.batches.map((batch) => [batch[0], batch])).values()];
      expect(firstOfEach.flat()).toEqual(firstOfEach.flat().toSorted((a, b) => a - b));
      if (patient) expect(firstOfEach.flat()).toHaveLength(next);
    }),
    { numRuns: 300 },
  );
});
