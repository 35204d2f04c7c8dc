import { Command, CommanderError, InvalidArgumentError } from 'commander';

export const scenarioNames = [
  'steady',
  'break',
  'connections',
  'brokers',
  'storm',
  'nearby',
  'wide',
  'export',
  'embedded',
] as const;
export type ScenarioName = (typeof scenarioNames)[number];

export const peerNames = ['mosquitto', 'aedes'] as const;
export type PeerName = (typeof peerNames)[number];

export type BenchOptions = {
  scenarios: readonly ScenarioName[];
  peers: readonly PeerName[];
  /** Positions a second, for `steady`. */
  rates: readonly number[];
  /** Measured seconds of each run. */
  seconds: number;
  /** Drivers, and riders, for `steady`. */
  pairs: number;
  json: string | undefined;
  plot: string | undefined;
};

const listOf =
  <T extends string>(known: readonly T[]) =>
  (text: string): T[] =>
    text.split(',').map((name) => {
      if (!known.includes(name as T))
        throw new InvalidArgumentError(`${name} is none of ${known.join(', ')}`);
      return name as T;
    });

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number from 1 on');
  return value;
};

/** What the command line asks for; undefined: it was told what is wrong, or how to ask. */
export function readOptions(args: readonly string[]): BenchOptions | undefined {
  const command = new Command('bench')
    .description('Starts the real processes, drives them with raw clients, and tells what it cost.')
    .option('--scenarios <names>', `some of ${scenarioNames.join(', ')}`, listOf(scenarioNames), [
      ...scenarioNames,
    ])
    .option(
      '--peer <names>',
      'brokers to be measured beside it, as relays: mosquitto, aedes',
      listOf(peerNames),
      [],
    )
    .option(
      '--rates <list>',
      'positions a second',
      (text) => text.split(',').map(whole),
      [1000, 5000, 10_000],
    )
    .option('--seconds <count>', 'measured seconds of each run', whole, 20)
    .option('--pairs <count>', 'drivers, each with one rider', whole, 1000)
    .option('--json <file>', 'the results, for programs')
    .option('--plot <file>', 'the cost of a position, as SVG')
    .exitOverride();
  try {
    const { peer, scenarios, rates, seconds, pairs, json, plot } = command
      .parse(args, { from: 'user' })
      .opts();
    return { peers: peer, scenarios, rates, seconds, pairs, json, plot };
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? 0 : 2;
    return undefined;
  }
}
