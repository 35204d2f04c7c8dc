import { describe, expect, test } from '@jest/globals';
import { parseOptions } from '../../tools/replay/options.ts';
import { UsageError } from '../../tools/shared/usage-error.ts';

function problemsOf(...argv: string[]): readonly string[] {
  try {
    parseOptions(argv, {});
  } catch (error) {
    if (error instanceof UsageError) return error.problems;
    throw error;
  }
  return [];
}

describe('the options of a replay', () => {
  test('have defaults for everything but the file', () => {
    expect(parseOptions(['a.csv'], {})).toEqual({
      file: 'a.csv',
      url: undefined,
      speed: 1,
      shiftToNow: false,
      columns: undefined,
      speedUnit: 'ms',
      driver: undefined,
      driverPrefix: 'driver-',
      token: undefined,
      limit: undefined,
      inFlight: 200,
    });
  });

  test('are taken as given', () => {
    const argv =
      'a.gpx --url mqtt://host:1 --speed 2.5 --shift-to-now --columns y=latitude --speed-unit kmh --driver d --driver-prefix v- --token t --limit 7 --in-flight 9';
    expect(parseOptions(argv.split(' '), {})).toEqual({
      file: 'a.gpx',
      url: 'mqtt://host:1',
      speed: 2.5,
      shiftToNow: true,
      columns: new Map([['y', 'latitude']]),
      speedUnit: 'kmh',
      driver: 'd',
      driverPrefix: 'v-',
      token: 't',
      limit: 7,
      inFlight: 9,
    });
  });

  test('--speed max is without a limit', () => {
    expect(parseOptions(['a', '--speed', 'max'], {})?.speed).toBe(Number.POSITIVE_INFINITY);
  });

  test('the token comes from the environment, the command line wins', () => {
    const env = { FLEETCAST_TOKEN: 'env' };
    expect(parseOptions(['a'], env)?.token).toBe('env');
    expect(parseOptions(['a', '--token', 'own'], env)?.token).toBe('own');
    expect(parseOptions(['a'], { FLEETCAST_TOKEN: '' })?.token).toBeUndefined();
  });

  test.each([
    ['ws://host:8083', 'ws://host:8083/mqtt'],
    ['ws://host:8083/', 'ws://host:8083/mqtt'],
    ['wss://host/other', 'wss://host/other'],
  ])('--url %s is %s', (given, expected) => {
    expect(parseOptions(['a', '--url', given], {})?.url).toBe(expected);
  });

  test('every problem is a line of its own', () => {
    const argv =
      'a --url http://host --speed 0 --speed-unit parsecs --driver a/b --driver-prefix + --limit 1.5 --in-flight 0 --columns x';
    expect(problemsOf(...argv.split(' '))).toEqual([
      '--url: "http://host" is not an address like mqtt://host:1883 or ws://host:8083/mqtt',
      '--speed: "0" is neither a number above 0 nor max',
      '--columns: "x" is not HEADER=FIELD',
      '--speed-unit: "parsecs" is none of ms, kmh, knots, mph',
      '--driver: "a/b" is not 1 to 64 of A-Z a-z 0-9 _ -',
      '--driver-prefix: "+" is not up to 32 of A-Z a-z 0-9 _ -',
      '--limit: "1.5" is not a whole number from 1 on',
      '--in-flight: "0" is not a whole number from 1 to 32767',
    ]);
  });

  test.each([
    [[], "missing required argument 'file'"],
    [['a', '--fast'], "unknown option '--fast'"],
    [['a', 'b'], 'too many arguments. Expected 1 argument but got 2.'],
    [['a', '--speed', 'Infinity'], '--speed: "Infinity" is neither a number above 0 nor max'],
    [['a', '--url', 'mqtt://u:p@host'], '--url: a token has no place in the address'],
  ])('%j', (argv, problem) => {
    expect(problemsOf(...argv)).toEqual([problem]);
  });
});
