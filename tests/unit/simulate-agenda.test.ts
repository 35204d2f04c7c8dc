import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Agenda } from '../../tools/simulate/agenda.ts';
import { Heap } from '../../tools/simulate/heap.ts';
import { createRandom } from '../../tools/simulate/random.ts';

test('a heap gives back in the order of the keys, and equal keys in the order they came', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 })), (keys) => {
      const heap = new Heap<{ key: number; order: number }>();
      for (const [order, key] of keys.entries()) heap.push(key, { key, order });
      expect(heap.size).toBe(keys.length);
      const expected = keys.map((key, order) => ({ key, order })).sort((a, b) => a.key - b.key);
      expect(expected.map(() => heap.pop())).toEqual(expected);
      expect(heap.pop()).toBeUndefined();
    }),
  );
});

test('a heap that is filled and emptied in turns never gives a larger key before a smaller one', () => {
  const heap = new Heap<number>();
  const random = createRandom(1, 'heap');
  for (let round = 0; round < 500; round++) {
    for (let count = random.index(5); count > 0; count--) {
      const key = random.index(1_000);
      heap.push(key, key);
    }
    const smallest = heap.smallestKey;
    expect(heap.pop()).toBe(smallest);
    expect(heap.smallestKey ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(smallest ?? 0);
  }
});

describe('an agenda', () => {
  test('runs what is due, in the order of its times, and leaves the rest', () => {
    const agenda = new Agenda();
    const done: string[] = [];
    agenda.at(30, () => done.push('30'));
    agenda.at(10, () => done.push('10'));
    agenda.at(20, () => done.push('20'));
    agenda.runDue(20);
    expect(done).toEqual(['10', '20']);
    agenda.runDue(29);
    agenda.runDue(30);
    expect(done).toEqual(['10', '20', '30']);
  });

  test('runs a task that sets itself again once for each time that has come', () => {
    const agenda = new Agenda();
    const due: number[] = [];
    const again = (at: number) =>
      agenda.at(at, () => {
        due.push(at);
        again(at + 10);
      });
    again(0);
    agenda.runDue(35);
    expect(due).toEqual([0, 10, 20, 30]);
  });

  test('runs by itself once started', async () => {
    const agenda = new Agenda();
    const ran = new Promise<void>((resolve) => agenda.at(performance.now(), () => resolve()));
    agenda.start();
    await ran;
    agenda.stop();
  });
});

describe('chance', () => {
  test('is the same for the same seed and path, and independent of other paths', () => {
    const draw = (...path: (string | number)[]) => {
      const random = createRandom(7, ...path);
      return Array.from({ length: 20 }, () => random.next());
    };
    expect(draw('driver', 1)).toEqual(draw('driver', 1));
    expect(draw('driver', 1)).not.toEqual(draw('driver', 2));
    expect(draw('driver', 1)).not.toEqual(draw('driver', 11));
    expect(new Set(draw('x')).size).toBe(20);
  });

  test('is even, and normal where it says so', () => {
    const random = createRandom(1, 'even');
    const counts = Array.from({ length: 10 }, () => 0);
    const count = 20_000;
    for (let draw = 0; draw < count; draw++) {
      const index = random.index(10);
      counts[index] = (counts[index] ?? 0) + 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(count / 10 - 200);
    expect(Math.max(...counts)).toBeLessThan(count / 10 + 200);
    const normals = Array.from({ length: count }, () => random.normal());
    const mean = normals.reduce((sum, each) => sum + each, 0) / count;
    const variance = normals.reduce((sum, each) => sum + (each - mean) ** 2, 0) / count;
    expect(Math.abs(mean)).toBeLessThan(0.05);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
  });
});
