import { Command, CommanderError } from 'commander';
import { addressOption } from '../shared/addresses.ts';
import { printResult } from '../shared/output.ts';
import { UsageError } from '../shared/usage-error.ts';
import { whole } from '../shared/whole.ts';
import { type ColumnMapping, parseMapping } from './columns.ts';
import { driverIdPattern } from './driver-ids.ts';
import { type SpeedUnit, speedUnits } from './units.ts';

export type ReplayOptions = {
  file: string;
  /** undefined: from the configuration. */
  url: string | undefined;
  /** Infinity: as fast as the acknowledgements come. */
  speed: number;
  shiftToNow: boolean;
  columns: ColumnMapping | undefined;
  speedUnit: SpeedUnit;
  driver: string | undefined;
  driverPrefix: string;
  token: string | undefined;
  limit: number | undefined;
  inFlight: number;
};

/** As they stand on the command line. */
type RawOptions = {
  url?: string;
  speed: string;
  shiftToNow?: boolean;
  columns?: string;
  speedUnit: string;
  driver?: string;
  driverPrefix: string;
  token?: string;
  limit?: string;
  inFlight: string;
};

/** Half of MQTT's 16-bit message ids: no id comes round while it is in use. */
const MAX_IN_FLIGHT = 32_767;

function command(): Command {
  return new Command('replay')
    .description('Replays a recorded track (CSV or GPX) as one or more drivers over MQTT.')
    .usage('FILE [options]')
    .argument('<file>', 'CSV with a header line, or GPX 1.0 or 1.1')
    .option('--url <url>', 'broker: mqtt://host:1883, ws://host:8083/mqtt (default: HOST and MQTT_PORT)')
    .option('--speed <factor>', 'playback factor, or max: as fast as the broker acknowledges', '1')
    .option('--shift-to-now', 'move all tracks to now, keeping the time between positions')
    .option('--columns <list>', 'CSV: HEADER=field,... (default: by common headers)')
    .option('--speed-unit <unit>', `CSV: unit of the speed column: ${speedUnits.join(', ')}`, 'ms')
    .option('--driver <id>', 'driver id, for a file with one track')
    .option('--driver-prefix <text>', 'put before the track ids of the file', 'driver-')
    .option(
      '--token <jwt>',
      'one token and connection for all drivers (or FLEETCAST_TOKEN; default: one each)',
    )
    .option('--limit <count>', 'the first so many positions only')
    .option('--in-flight <count>', 'unacknowledged positions a connection', '200')
    .exitOverride()
    .configureOutput({ writeOut: (text) => printResult(text.trimEnd()), writeErr: () => undefined });
}

function checked(file: string, raw: RawOptions, env: NodeJS.ProcessEnv): ReplayOptions {
  const problems: string[] = [];
  const url = raw.url === undefined ? undefined : addressOption('--url', 'broker', raw.url, problems);
  const speed = raw.speed === 'max' ? Number.POSITIVE_INFINITY : Number(raw.speed);
  if (!(speed > 0) || (raw.speed !== 'max' && !Number.isFinite(speed)))
    problems.push(`--speed: "${raw.speed}" is neither a number above 0 nor max`);
  const columns = raw.columns === undefined ? undefined : parseMapping(raw.columns);
  problems.push(...(columns?.problems ?? []));
  const speedUnit = speedUnits.find((unit) => unit === raw.speedUnit);
  if (speedUnit === undefined)
    problems.push(`--speed-unit: "${raw.speedUnit}" is none of ${speedUnits.join(', ')}`);
  if (raw.driver !== undefined && !driverIdPattern.test(raw.driver))
    problems.push(`--driver: "${raw.driver}" is not 1 to 64 of A-Z a-z 0-9 _ -`);
  if (!/^[A-Za-z0-9_-]{0,32}$/.test(raw.driverPrefix))
    problems.push(`--driver-prefix: "${raw.driverPrefix}" is not up to 32 of A-Z a-z 0-9 _ -`);
  const limit = raw.limit === undefined ? undefined : whole(raw.limit, Number.MAX_SAFE_INTEGER);
  if (raw.limit !== undefined && limit === undefined)
    problems.push(`--limit: "${raw.limit}" is not a whole number from 1 on`);
  const inFlight = whole(raw.inFlight, MAX_IN_FLIGHT);
  if (inFlight === undefined)
    problems.push(`--in-flight: "${raw.inFlight}" is not a whole number from 1 to ${MAX_IN_FLIGHT}`);
  if (problems.length > 0 || speedUnit === undefined || inFlight === undefined)
    throw new UsageError(problems);
  return {
    file,
    url,
    speed,
    shiftToNow: raw.shiftToNow === true,
    columns: columns?.mapping,
    speedUnit,
    driver: raw.driver,
    driverPrefix: raw.driverPrefix,
    // An empty variable counts as unset.
    token: raw.token ?? (env.FLEETCAST_TOKEN || undefined),
    limit,
    inFlight,
  };
}

/**
 * @param argv the arguments after the name of the program
 * @returns undefined when only help was asked for, which is then printed
 * @throws UsageError with a line for each problem
 */
export function parseOptions(argv: readonly string[], env: NodeJS.ProcessEnv): ReplayOptions | undefined {
  const program = command();
  try {
    program.parse([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return undefined;
    throw new UsageError([error.message.replace(/^error: /, '')]);
  }
  return checked(program.args[0] ?? '', program.opts<RawOptions>(), env);
}
