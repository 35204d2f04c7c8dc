import { Command, CommanderError } from 'commander';
import { addressOption } from '../shared/addresses.ts';
import { printResult } from '../shared/output.ts';
import { UsageError } from '../shared/usage-error.ts';
import { whole } from '../shared/whole.ts';
import { type CityName, cityNames } from './city/cities.ts';

export type SimulateOptions = {
  drivers: number;
  riders: number;
  durationMs: number;
  city: CityName;
  seed: number;
  intervalMs: number;
  /** Simulated seconds per real one. */
  timeScale: number;
  /** Mean length of a trip in metres. */
  tripDistance: number;
  idPrefix: string;
  /** undefined: from the configuration. */
  url: string | undefined;
  wsUrl: string | undefined;
  apiUrl: string | undefined;
  json: string | undefined;
};

/** As they stand on the command line. */
type RawOptions = {
  drivers: string;
  riders: string;
  duration: string;
  city: string;
  seed: string;
  interval: string;
  timeScale?: string;
  tripDistance: string;
  idPrefix: string;
  url?: string;
  wsUrl?: string;
  apiUrl?: string;
  json?: string;
};

/** What one process can be without its own slowness showing in the figures. */
const MOST_PEOPLE = 10_000;
/** Faster than that, most of a trip lies between two positions. */
const FASTEST = 100;
const MAX_SEED = 2 ** 32 - 1;
const LONGEST_MS = 7 * 86_400_000;

/** Simulated seconds from a wish to the end of its trip, beside the ride: waiting, the way to the pickup, two stops. */
const AROUND_A_TRIP_S = 95;
/** m/s that comes out with corners and red lights. */
const MEAN_SPEED = 6.3;
/** So many trips of a rider, one after the other, are to fit into the run. */
const TRIPS_IN_A_RUN = 1.5;

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** `500ms`, `60s`, `5m`, `1h`, or plain seconds, in milliseconds; undefined: it is none of these. */
export function parseDuration(text: string): number | undefined {
  const [, digits, unit = 's'] = /^(\d{1,9})(ms|s|m|h)?$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const value = Number(digits) * unitMs[unit as keyof typeof unitMs];
  return value > 0 && value <= LONGEST_MS ? value : undefined;
}

/** Real time where the run is long enough for it, else as much faster as it takes that trips are completed. */
export function fittingTimeScale(durationMs: number, tripDistance: number): number {
  const trip = AROUND_A_TRIP_S + tripDistance / MEAN_SPEED;
  return Math.max(1, Math.round((TRIPS_IN_A_RUN * trip * 10_000) / durationMs) / 10);
}

function command(): Command {
  return new Command('simulate')
    .description(
      'A city of drivers and riders, as clients of a running platform, and an account of every message.',
    )
    .option('--drivers <count>', 'drivers', '100')
    .option('--riders <count>', 'riders, each with one trip at a time', '100')
    .option('--duration <time>', 'how long: 30s, 5m, 1h', '60s')
    .option('--city <name>', cityNames.join(' or '), 'athens')
    .option('--seed <number>', 'the same one gives the same streets, drivers and wishes', '1')
    .option('--interval <time>', 'between two positions of a driver: 500ms, 1s', '1s')
    .option(
      '--time-scale <factor>',
      'simulated seconds per real one (default: 1, or faster in a short run, so that trips are completed)',
    )
    .option('--trip-distance <meters>', 'mean length of a trip', '800')
    .option('--id-prefix <text>', 'begins the ids of drivers and riders', 'sim')
    .option('--url <url>', 'broker for drivers (default: HOST and MQTT_PORT)')
    .option('--ws-url <url>', 'broker for riders (default: HOST and MQTT_WS_PORT)')
    .option('--api-url <url>', 'REST (default: HOST and API_PORT)')
    .option('--json <file>', 'writes the account as JSON')
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({ writeOut: (text) => printResult(text.trimEnd()), writeErr: () => undefined });
}

function checked(raw: RawOptions): SimulateOptions {
  const problems: string[] = [];
  const wholeOption = (option: string, text: string, maximum: number) => {
    const value = whole(text, maximum);
    if (value === undefined) problems.push(`${option}: "${text}" is not a whole number from 1 to ${maximum}`);
    return value ?? 0;
  };
  const durationOption = (option: string, text: string) => {
    const value = parseDuration(text);
    if (value === undefined)
      problems.push(`${option}: "${text}" is not a duration like 500ms, 60s, 5m or 1h, up to 168h`);
    return value ?? 0;
  };
  const address = (option: string, kind: 'broker' | 'rest', text: string | undefined) =>
    text === undefined ? undefined : addressOption(option, kind, text, problems);

  const durationMs = durationOption('--duration', raw.duration);
  const tripDistance = wholeOption('--trip-distance', raw.tripDistance, 20_000);
  const city = cityNames.find((name) => name === raw.city);
  if (city === undefined) problems.push(`--city: "${raw.city}" is none of ${cityNames.join(', ')}`);
  const seed = /^\d{1,10}$/.test(raw.seed) ? Number(raw.seed) : Number.NaN;
  if (!(seed <= MAX_SEED)) problems.push(`--seed: "${raw.seed}" is not a whole number from 0 to ${MAX_SEED}`);
  const timeScale =
    raw.timeScale === undefined ? fittingTimeScale(durationMs, tripDistance) : Number(raw.timeScale);
  if (raw.timeScale !== undefined && !(timeScale > 0 && timeScale <= FASTEST))
    problems.push(`--time-scale: "${raw.timeScale}" is not a number above 0, up to ${FASTEST}`);
  if (!/^[A-Za-z0-9_-]{1,32}$/.test(raw.idPrefix))
    problems.push(`--id-prefix: "${raw.idPrefix}" is not 1 to 32 of A-Z a-z 0-9 _ -`);
  const options = {
    drivers: wholeOption('--drivers', raw.drivers, MOST_PEOPLE),
    riders: wholeOption('--riders', raw.riders, MOST_PEOPLE),
    durationMs,
    seed,
    intervalMs: durationOption('--interval', raw.interval),
    timeScale,
    tripDistance,
    idPrefix: raw.idPrefix,
    url: address('--url', 'broker', raw.url),
    wsUrl: address('--ws-url', 'broker', raw.wsUrl),
    apiUrl: address('--api-url', 'rest', raw.apiUrl),
    json: raw.json,
  };
  if (problems.length > 0 || city === undefined) throw new UsageError(problems);
  return { ...options, city };
}

/**
 * @param argv the arguments after the name of the program
 * @returns undefined when only help was asked for, which is then printed
 * @throws UsageError with a line for each problem
 */
export function parseOptions(argv: readonly string[]): SimulateOptions | undefined {
  const program = command();
  try {
    program.parse([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return undefined;
    throw new UsageError([error.message.replace(/^error: /, '')]);
  }
  return checked(program.opts<RawOptions>());
}
