import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ConnectionLimit } from '../../shared/connections/connection-limit.ts';

describe('the limit of connections', () => {
  test('gives so many places and no more, and a freed one again', () => {
    const limit = new ConnectionLimit(3);
    const releases = ['a', 'b', 'c'].map((client) => limit.take('driver-1', client));
    expect(releases).not.toContain(undefined);
    expect(limit.take('driver-1', 'd')).toBeUndefined();
    releases[1]?.();
    expect(limit.take('driver-1', 'd')).toBeDefined();
    expect(limit.take('driver-1', 'e')).toBeUndefined();
  });

  test('is for each user by itself', () => {
    const limit = new ConnectionLimit(1);
    expect(limit.take('driver-1', 'a')).toBeDefined();
    expect(limit.take('driver-2', 'a')).toBeDefined();
    expect(limit.take('driver-1', 'b')).toBeUndefined();
  });

  test('lets a connection take over another one with its client id, and counts the two as one', () => {
    const limit = new ConnectionLimit(1);
    const old = limit.take('driver-1', 'a');
    const taken = limit.take('driver-1', 'a');
    expect(taken).toBeDefined();
    old?.();
    expect(limit.take('driver-1', 'b')).toBeUndefined();
    taken?.();
    expect(limit.take('driver-1', 'b')).toBeDefined();
  });
});

test('whoever comes and goes, no user ever has more clients than allowed, nor is one kept out without need', () => {
  const client = fc.record({ sub: fc.constantFrom('x', 'y'), id: fc.constantFrom('1', '2', '3', '4', '5') });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.oneof(client, fc.nat()), { maxLength: 80 }),
      (max, steps) => {
        const limit = new ConnectionLimit(max);
        let open: { sub: string; id: string; release: () => void }[] = [];
        for (const step of steps) {
          if (typeof step === 'number') {
            const [gone] = open.splice(step % Math.max(1, open.length), 1);
            gone?.release();
            continue;
          }
          const others = new Set(open.filter(({ sub }) => sub === step.sub).map(({ id }) => id));
          const release = limit.take(step.sub, step.id);
          expect(release !== undefined).toBe(others.has(step.id) || others.size < max);
          if (release !== undefined) open.push({ ...step, release });
        }
        for (const { release } of open) release();
        open = [];
        // Nothing is left of them
        expect(
          Array.from({ length: max + 1 }, (_, index) => limit.take('x', `new-${index}`) !== undefined),
        ).toEqual([...Array.from({ length: max }, () => true), false]);
      },
    ),
  );
});
