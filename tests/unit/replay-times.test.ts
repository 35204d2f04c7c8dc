import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseTime } from '../../tools/replay/times.ts';
import { parseDecimal, toMetersPerSecond } from '../../tools/replay/units.ts';

const noon = Date.UTC(2026, 10, 23, 12, 0, 0);

describe('a recorded time', () => {
  test.each([
    ['2026-11-23T12:00:00.000Z', noon],
    ['2026-11-23T12:00:00Z', noon],
    ['2026-11-23T14:00:00+02:00', noon],
    ['2026-11-23 14:00:00+02', noon],
    ['2026-11-23 12:00:00 UTC', noon],
    ['2026-11-23T12:00:00', noon],
    ['2026-11-23 12:00:00', noon],
    ['2026-11-23 12:00', noon],
    [' 2026-11-23  12:00:00.250 ', noon + 250],
    ['2026-11-23 12:00:00.250999', noon + 250],
    ['1970-01-01 00:00:01.000', 1000],
    [String(noon), noon],
    [String(noon / 1000), noon],
    [`${noon / 1000}.25`, noon + 250],
    ['1.5', 1500],
    ['0', 0],
  ])('%s', (text, expected) => {
    expect(parseTime(text)).toBe(expected);
  });

  test.each([
    '',
    'yesterday',
    '12:00:00',
    '2026-11-23',
    '23.11.2026 12:00:00',
    '2026-13-01 00:00:00',
    '2026-02-30 00:00:00',
    '2026-11-23 24:00:00',
    '2026-11-23 12:00:00 CET',
    '-5',
    'NaN',
    '0x10',
    '1764000000000000000',
  ])('%j is none', (text) => {
    expect(parseTime(text)).toBeUndefined();
  });

  test('every instant of this century is read the same in each way of writing it', () => {
    const instants = fc.integer({ min: Date.UTC(2000, 0, 1), max: Date.UTC(2099, 11, 31) });
    fc.assert(
      fc.property(instants, (ms) => {
        const iso = new Date(ms).toISOString();
        expect(parseTime(iso)).toBe(ms);
        expect(parseTime(iso.replace('T', ' ').replace('Z', ''))).toBe(ms);
        expect(parseTime(String(ms))).toBe(ms);
        expect(parseTime((ms / 1000).toFixed(3))).toBe(ms);
      }),
    );
  });
});

describe('a speed', () => {
  test.each([
    ['ms', 10, 10],
    ['kmh', 36, 10],
    ['kmh', 12.5845, 3.496],
    ['knots', 1, 0.514],
    ['mph', 100, 44.704],
  ] as const)('in %s: %d is %d m/s', (unit, speed, expected) => {
    expect(toMetersPerSecond(speed, unit)).toBeCloseTo(expected, 6);
  });
});

describe('a number', () => {
  test.each([
    ['37.99', 37.99],
    ['-122.4', -122.4],
    ['+.5', 0.5],
    [' 5. ', 5],
    ['1e3', 1000],
  ])('%j', (text, expected) => {
    expect(parseDecimal(text)).toBe(expected);
  });

  test.each(['', ' ', '0x1F', 'Infinity', 'NaN', '12a', '1,5', '1e999'])('%j is none', (text) => {
    expect(parseDecimal(text)).toBeUndefined();
  });
});
