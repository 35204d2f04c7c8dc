import { describe, expect, test } from '@jest/globals';
import { UsageError } from '../../tools/shared/usage-error.ts';
import { fittingTimeScale, parseDuration, parseOptions } from '../../tools/simulate/options.ts';

function problemsOf(args: readonly string[]): readonly string[] {
  try {
    parseOptions(args);
  } catch (error) {
    if (error instanceof UsageError) return error.problems;
    throw error;
  }
  return [];
}

describe('the options of a simulation', () => {
  test('have defaults that complete trips within the default minute', () => {
    expect(parseOptions([])).toEqual({
      drivers: 100,
      riders: 100,
      durationMs: 60_000,
      city: 'athens',
      seed: 1,
      intervalMs: 1_000,
      timeScale: 5.5,
      tripDistance: 800,
      idPrefix: 'sim',
      url: undefined,
      wsUrl: undefined,
      apiUrl: undefined,
      json: undefined,
    });
  });

  test('are what was asked for', () => {
    const args =
      '--drivers 3 --riders 2 --duration 5m --city sf --seed 0 --interval 500ms --time-scale 2.5 --trip-distance 300 --id-prefix my --url mqtt://b:1 --ws-url ws://b:2 --api-url http://b:3 --json out.json';
    expect(parseOptions(args.split(' '))).toEqual({
      drivers: 3,
      riders: 2,
      durationMs: 300_000,
      city: 'sf',
      seed: 0,
      intervalMs: 500,
      timeScale: 2.5,
      tripDistance: 300,
      idPrefix: 'my',
      url: 'mqtt://b:1',
      wsUrl: 'ws://b:2/mqtt',
      apiUrl: 'http://b:3/',
      json: 'out.json',
    });
  });

  test.each([
    [['--drivers', '0'], '--drivers: "0" is not a whole number from 1 to 10000'],
    [['--riders', '1.5'], '--riders: "1.5" is not a whole number from 1 to 10000'],
    [['--duration', 'long'], '--duration: "long" is not a duration like 500ms, 60s, 5m or 1h, up to 168h'],
    [['--interval', '0s'], '--interval: "0s" is not a duration like 500ms, 60s, 5m or 1h, up to 168h'],
    [['--city', 'atlantis'], '--city: "atlantis" is none of athens, sf'],
    [['--seed', '-1'], '--seed: "-1" is not a whole number from 0 to 4294967295'],
    [['--seed', '4294967296'], '--seed: "4294967296" is not a whole number from 0 to 4294967295'],
    [['--time-scale', '0'], '--time-scale: "0" is not a number above 0, up to 100'],
    [['--time-scale', 'x'], '--time-scale: "x" is not a number above 0, up to 100'],
    [['--trip-distance', '1e3'], '--trip-distance: "1e3" is not a whole number from 1 to 20000'],
    [['--id-prefix', 'a/b'], '--id-prefix: "a/b" is not 1 to 32 of A-Z a-z 0-9 _ -'],
    [
      ['--url', 'http://host'],
      '--url: "http://host" is not an address like mqtt://host:1883 or ws://host:8083/mqtt',
    ],
    [['--api-url', 'mqtt://host'], '--api-url: "mqtt://host" is not an address like http://host:8096'],
    [['--ws-url', 'ws://me:secret@host'], '--ws-url: a token has no place in the address'],
    [['--speed', '2'], "unknown option '--speed'"],
    [['--seed'], "option '--seed <number>' argument missing"],
  ])('%j are refused', (args, problem) => {
    expect(problemsOf(args)).toEqual([problem]);
  });

  test('are refused all at once', () => {
    expect(problemsOf(['--drivers', 'x', '--city', 'y', '--duration', 'z'])).toHaveLength(3);
  });
});

test.each([
  ['500ms', 500],
  ['90', 90_000],
  ['60s', 60_000],
  ['5m', 300_000],
  ['1h', 3_600_000],
  ['168h', 604_800_000],
  ['169h', undefined],
  ['0', undefined],
  ['1.5s', undefined],
  ['-1s', undefined],
  ['', undefined],
])('a duration of %j is %j ms', (text, expected) => {
  expect(parseDuration(text)).toBe(expected);
});

test('time goes as fast as it takes for trips to be completed, and never slower than real time', () => {
  expect(fittingTimeScale(3_600_000, 800)).toBe(1);
  expect(fittingTimeScale(10_000, 800)).toBeGreaterThan(fittingTimeScale(60_000, 800));
  expect(fittingTimeScale(60_000, 3_000)).toBeGreaterThan(fittingTimeScale(60_000, 800));
});
