import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { GroupCommit } from '../../shared/position-log/group-commit.ts';
import { position, range, SlowDatabase, settled, timesOf } from '../support/slow-database.ts';

afterEach(() => {
  jest.useRealTimers();
});

describe('a group commit', () => {
  test('writes a lone position at once, and takes all that came meanwhile together', async () => {
    const database = new SlowDatabase();
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
    const database = new SlowDatabase();
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
    const database = new SlowDatabase();
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
    const database = new SlowDatabase();
    const commit = new GroupCommit(database.write);
    for (const size of [1, 500, 500, 1, 1500, 2]) void commit.add(range(0, size));
    for (let batch = 0; batch < 5; batch++) await database.commit();
    expect(database.batches.map(({ length }) => length)).toEqual([1, 1000, 1, 1500, 2]);
  });

  test('knows how many wait, and since when', async () => {
    const database = new SlowDatabase();
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
    const database = new SlowDatabase();
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
    const database = new SlowDatabase();
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
    const database = new SlowDatabase();
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
    const database = new SlowDatabase();
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
    const database = new SlowDatabase();
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
    const database = new SlowDatabase();
    const commit = new GroupCommit(database.write);
    await commit.close(0);
    await expect(commit.add(range(0, 1))).rejects.toThrow('the position log is closed');
    expect(await commit.add([])).toEqual([]);
    expect([commit.size, database.batches.length]).toEqual([0, 0]);
  });
});
