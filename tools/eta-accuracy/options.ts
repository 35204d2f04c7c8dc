import { Command, CommanderError } from 'commander';
import { DEFAULT_DETOUR_FACTOR } from '../../shared/eta/straight-line.ts';
import { type ColumnMapping, parseMapping } from '../replay/columns.ts';
import { type SpeedUnit, speedUnits } from '../replay/units.ts';
import { printResult } from '../shared/output.ts';
import { UsageError } from '../shared/usage-error.ts';

export type AccuracyOptions = {
  file: string;
  columns: ColumnMapping | undefined;
  speedUnit: SpeedUnit;
  limit: number | undefined;
  /** Between two positions of a track that the estimator sees. */
  everySeconds: number;
  detourFactor: number;
};

/** As they stand on the command line. */
type RawOptions = { columns?: string; speedUnit: string; limit?: string; every: string; detour: string };

/** The platform takes a live position of a driver every 5 s (LOCATION_MIN_INTERVAL_MS). */
const EVERY_SECONDS = '5';

function command(): Command {
  return new Command('eta-accuracy')
    .description(
      'How far estimates by straight line are from what happened on recorded tracks (CSV or GPX), offline.',
    )
    .usage('FILE [options]')
    .argument('<file>', 'CSV with a header line, or GPX 1.0 or 1.1')
    .option('--columns <list>', 'CSV: HEADER=field,... (default: by common headers)')
    .option('--speed-unit <unit>', `CSV: unit of the speed column: ${speedUnits.join(', ')}`, 'ms')
    .option('--limit <count>', 'the first so many positions only')
    .option('--every <seconds>', 'at most one position of a track in so many seconds', EVERY_SECONDS)
    .option(
      '--detour <factor>',
      'length of the way over the straight line, from 1 on',
      String(DEFAULT_DETOUR_FACTOR),
    )
    .exitOverride()
    .configureOutput({ writeOut: (text) => printResult(text.trimEnd()), writeErr: () => undefined });
}

function checked(file: string, raw: RawOptions): AccuracyOptions {
  const problems: string[] = [];
  const columns = raw.columns === undefined ? undefined : parseMapping(raw.columns);
  problems.push(...(columns?.problems ?? []));
  const speedUnit = speedUnits.find((unit) => unit === raw.speedUnit);
  if (speedUnit === undefined)
    problems.push(`--speed-unit: "${raw.speedUnit}" is none of ${speedUnits.join(', ')}`);
  if (raw.limit !== undefined && !/^[1-9]\d{0,14}$/.test(raw.limit))
    problems.push(`--limit: "${raw.limit}" is not a whole number from 1 on`);
  const everySeconds = raw.every.trim() === '' ? Number.NaN : Number(raw.every);
  if (!(everySeconds >= 0 && Number.isFinite(everySeconds)))
    problems.push(`--every: "${raw.every}" is not a number from 0 on`);
  const detourFactor = Number(raw.detour);
  if (!(detourFactor >= 1 && Number.isFinite(detourFactor)))
    problems.push(`--detour: "${raw.detour}" is not a number from 1 on`);
  if (problems.length > 0 || speedUnit === undefined) throw new UsageError(problems);
  return {
    file,
    columns: columns?.mapping,
    speedUnit,
    limit: raw.limit === undefined ? undefined : Number(raw.limit),
    everySeconds,
    detourFactor,
  };
}

/**
 * @param argv the arguments after the name of the program
 * @returns undefined when only help was asked for, which is then printed
 * @throws UsageError with a line for each problem
 */
export function parseOptions(argv: readonly string[]): AccuracyOptions | undefined {
  const program = command();
  try {
    program.parse([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return undefined;
    throw new UsageError([error.message.replace(/^error: /, '')]);
  }
  return checked(program.args[0] ?? '', program.opts<RawOptions>());
}
