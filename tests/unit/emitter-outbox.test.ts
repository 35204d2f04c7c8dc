import { beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Outbox } from '../../shared/emitter/outbox.ts';

let dropped: number;
let outbox: Outbox;

beforeEach(() => {
  dropped = 0;
  outbox = new Outbox(1000, (count) => {
    dropped += count;
  });
});

const put = (name: string, stream: boolean, bytes = 100) =>
  outbox.push({ topic: name, bytes: Buffer.alloc(bytes), stream });

const rest = () => outbox.take(Number.POSITIVE_INFINITY).map(({ topic }) => topic);

describe('what waits for Redis', () => {
  test('comes out as it went in, in pieces', () => {
    for (const name of ['a', 'b', 'c', 'd']) put(name, name === 'b');
    expect(outbox.take(250).map(({ topic }) => topic)).toEqual(['a', 'b']);
    expect(outbox.take(1).map(({ topic }) => topic)).toEqual(['c']);
    expect([rest(), outbox.isEmpty, dropped]).toEqual([['d'], true, 0]);
  });

  test('loses streams first: the older ones, and nobody is told of a loss', () => {
    put('kept', false);
    for (let index = 0; index < 6; index++) expect(put(`position ${index}`, true)).toBe(true);
    expect([dropped, rest()]).toEqual([4, ['kept', 'position 4', 'position 5']]);
  });

  test('makes room for what may not be missed by dropping streams', () => {
    for (let index = 0; index < 5; index++) put('position', true);
    for (let index = 0; index < 10; index++) expect(put(`status ${index}`, false)).toBe(true);
    expect(put('position', true)).toBe(true);
    expect(dropped).toBe(6);
    expect(rest()).toHaveLength(10);
  });

  test('that is full of what may not be missed loses the oldest, and says so', () => {
    for (let index = 0; index < 10; index++) put(`status ${index}`, false);
    expect(put('status 10', false)).toBe(false);
    expect(put('huge', false, 2000)).toBe(false);
    expect(rest()).toEqual(Array.from({ length: 10 }, (_, index) => `status ${index + 1}`));
    expect(dropped).toBe(2);
  });
});

test('it is never beyond its bound, and counts whatever it has dropped', () => {
  const message = fc.record({ stream: fc.boolean(), bytes: fc.nat(1200) });
  fc.assert(
    fc.property(fc.array(fc.oneof(message, fc.constant('take' as const)), { maxLength: 100 }), (steps) => {
      let lost = 0;
      let pushed = 0;
      let taken = 0;
      const box = new Outbox(1000, (count) => {
        lost += count;
      });
      let held = 0;
      for (const step of steps) {
        if (step === 'take') taken += box.take(300).length;
        else {
          pushed++;
          box.push({ topic: 'x', bytes: Buffer.alloc(step.bytes), stream: step.stream });
        }
      }
      for (const { bytes } of box.take(Number.POSITIVE_INFINITY)) {
        held += bytes.length;
        taken++;
      }
      expect(held).toBeLessThanOrEqual(1000);
      expect(taken + lost).toBe(pushed);
    }),
  );
});
