import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { filterMatches } from '../../broker/filters.ts';

describe('a topic filter', () => {
  /** MQTT 3.1.1, 4.7.1: the examples of the standard, and ours. */
  test.each([
    ['sport/tennis/player1/#', 'sport/tennis/player1', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/ranking', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
    ['sport/#', 'sport', true],
    ['#', 'sport/tennis', true],
    ['sport/tennis/+', 'sport/tennis/player1', true],
    ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
    ['sport/+', 'sport', false],
    ['sport/+', 'sport/', true],
    ['+/+', '/finance', true],
    ['/+', '/finance', true],
    ['+', '/finance', false],
    ['drivers/+/status', 'drivers/driver-1/status', true],
    ['drivers/+/status', 'drivers/driver-1/location', false],
    ['drivers/driver-1/+', 'drivers/driver-1/errors', true],
    ['drivers/driver-1/errors', 'drivers/driver-1/errors', true],
    ['drivers/driver-1/errors', 'drivers/driver-10/errors', false],
    ['drivers/driver-1', 'drivers/driver-1/errors', false],
    ['drivers/driver-1/errors/+', 'drivers/driver-1/errors', false],
  ])('%s for %s: %s', (filter, topic, matches) => {
    expect(filterMatches(filter, topic)).toBe(matches);
  });

  const level = fc.stringMatching(/^[a-c]{0,2}$/);

  test('of plain levels matches itself and nothing else', () => {
    fc.assert(
      fc.property(fc.array(level, { minLength: 1 }), fc.array(level, { minLength: 1 }), (first, second) => {
        const [filter, topic] = [first.join('/'), second.join('/')];
        expect(filterMatches(filter, topic)).toBe(filter === topic);
      }),
    );
  });

  test('with levels replaced by + and an end replaced by # still matches', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(level, fc.boolean()), { minLength: 1 }),
        fc.nat(),
        fc.boolean(),
        (levels, cut, open) => {
          const topic = levels.map(([name]) => name).join('/');
          const asked = levels.map(([name, wild]) => (wild ? '+' : name));
          const filter = open
            ? [...asked.slice(0, cut % (asked.length + 1)), '#'].join('/')
            : asked.join('/');
          expect(filterMatches(filter, topic)).toBe(true);
        },
      ),
    );
  });
});
