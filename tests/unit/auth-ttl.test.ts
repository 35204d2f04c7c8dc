import { describe, expect, test } from '@jest/globals';
import { parseTtl } from '../../shared/auth/ttl.ts';

describe('parseTtl', () => {
  test.each([
    ['90', 90],
    ['90s', 90],
    ['30m', 1_800],
    ['1h', 3_600],
    ['7d', 604_800],
  ])('%s is %d seconds', (text, seconds) => {
    expect(parseTtl(text)).toBe(seconds);
  });

  test.each([
    '',
    '0',
    '0h',
    '-1h',
    '1.5h',
    '1e3',
    '1 h',
    ' 1h',
    '1h\n',
    '1w',
    '1H',
    'h',
    '1h30m',
    '9999999999',
  ])('%j is refused', (text) => {
    expect(() => parseTtl(text)).toThrow(RangeError);
  });
});
