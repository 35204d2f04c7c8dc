import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LocalListeners } from '../../shared/emitter/local-listeners.ts';
import { createMemoryEmitter } from '../../shared/emitter/memory.ts';
import { TopicIndex } from '../../shared/emitter/topic-index.ts';

const message = (topic: string) => ({
  cmd: 'publish' as const,
  topic,
  payload: Buffer.from('x'),
  qos: 0 as const,
  retain: false,
  brokerId: 'b',
  brokerCounter: 1,
});

const name = fc.constantFrom('', 'a', 'b', '$x', 'trips');
const topics = fc.array(name, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/') || '/');
const filters = fc
  .tuple(
    fc.array(fc.oneof(name, fc.constant('+')), { minLength: 1, maxLength: 4 }),
    fc.constantFrom('', '/#', '#'),
  )
  .map(([levels, rest]) => (rest === '#' ? '#' : `${levels.join('/')}${rest}` || '/'));

test('listeners are called as those of the emitter in memory are, whatever comes and goes', async () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: filters.map((filter) => ({ add: filter })) },
    { weight: 2, arbitrary: fc.nat(20).map((index) => ({ remove: index })) },
    { weight: 3, arbitrary: topics.map((topic) => ({ emit: topic })) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const ours = new LocalListeners();
      const theirs = createMemoryEmitter();
      const called: string[][] = [[], []];
      const held: { filter: string; listeners: ((_: unknown, done: () => void) => void)[] }[] = [];
      for (const one of steps) {
        if ('add' in one) {
          const listeners = called.map((calls) => (_: unknown, done: () => void) => {
            calls.push(one.add);
            done();
          });
          held.push({ filter: one.add, listeners });
          const [our, their] = listeners;
          if (our !== undefined) ours.add(one.add, our);
          if (their !== undefined) theirs.on(one.add, their);
        } else if ('remove' in one) {
          const [gone] = held.splice(one.remove, 1);
          const [our, their] = gone?.listeners ?? [];
          if (gone === undefined || our === undefined || their === undefined) continue;
          ours.remove(gone.filter, our);
          await new Promise<void>((resolve) => void theirs.removeListener(gone.filter, their, resolve));
        } else {
          let done = 0;
          ours.deliver(message(one.emit), () => done++);
          theirs.emit(message(one.emit), () => done++);
          expect(done).toBe(2);
        }
        expect(called[0]?.toSorted()).toEqual(called[1]?.toSorted());
      }
      expect(ours.filters().toSorted()).toEqual([...new Set(held.map(({ filter }) => filter))].toSorted());
    }),
    { numRuns: 300 },
  );
});

describe('a listener', () => {
  test('that ends its subscription while it is called does not disturb the others', () => {
    const listeners = new LocalListeners();
    const called: string[] = [];
    const once = (_: unknown, done: () => void) => {
      listeners.remove('a', once);
      called.push('once');
      done();
    };
    listeners.add('a', once);
    listeners.add('a', (_, done) => {
      called.push('other');
      done();
    });
    for (let round = 0; round < 2; round++) listeners.deliver(message('a'), () => called.push('done'));
    expect(called).toEqual(['once', 'other', 'done', 'other', 'done']);
  });

  test('that takes its time is waited for', () => {
    const listeners = new LocalListeners();
    const open: (() => void)[] = [];
    listeners.add('a', (_, done) => open.push(done));
    listeners.add('+', (_, done) => done());
    let done = false;
    listeners.deliver(message('a'), () => {
      done = true;
    });
    expect(done).toBe(false);
    open[0]?.();
    expect(done).toBe(true);
  });
});

test('a match costs the same with ten thousand filters as with one', () => {
  const costOf = (count: number) => {
    const index = new TopicIndex<number>();
    for (let trip = 0; trip < count; trip++) index.set(`trips/trip-${trip}/#`, trip);
    const round = () => {
      const start = process.hrtime.bigint();
      for (let call = 0; call < 20_000; call++) index.matching(`trips/trip-${call % count}/location`);
      return Number(process.hrtime.bigint() - start) / 20_000;
    };
    round();
    return Math.min(...Array.from({ length: 5 }, round));
  };
  // ns; a list of filters to go through would cost a thousand times as much
  expect(costOf(10_000)).toBeLessThan(Math.max(10 * costOf(1), 5000));
});

test('what has gone leaves nothing behind', () => {
  const index = new TopicIndex<number>();
  for (const filter of ['a/+/c', 'a/#', 'a/+', '#']) index.set(filter, 1);
  for (const filter of ['a/#', '#', 'a/+', 'a/+/c']) index.delete(filter);
  expect(index.size).toBe(0);
  expect(index.matching('a/b/c')).toEqual([]);
  expect(index).toEqual(new TopicIndex<number>());
});
