import { afterEach, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { GroupCommit } from '../../shared/position-log/group-commit.ts';
import type { LoggedPosition } from '../../shared/position-log/index.ts';
import { range, SlowDatabase, settled, timesOf } from '../support/slow-database.ts';

afterEach(() => {
  jest.useRealTimers();
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
      const database = new SlowDatabase();
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
      const expected = added.map((positions) => timesOf(positions).map(SlowDatabase.outcome).join());
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
