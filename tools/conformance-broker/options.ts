import { Command, CommanderError } from 'commander';
import { printResult } from '../shared/output.ts';
import { UsageError } from '../shared/usage-error.ts';

export type ConformanceBrokerOptions = {
  host: string;
  /** 0: any that is free. */
  port: number;
  wsPort: number;
  /** Filters that nobody is granted. */
  refused: readonly string[];
};

type RawOptions = { host: string; port: string; wsPort: string; refuse?: string[] };

const MAX_PORT = 65_535;

/** What the Eclipse Paho interoperability suite expects to be refused, in its versions. */
const REFUSED = ['nosubscribe', 'test/nosubscribe'];

const command = () =>
  new Command('conformance-broker')
    .description(
      'The broker of the platform with nothing forbidden, for MQTT conformance suites to run against.',
    )
    .option('--port <port>', 'MQTT over TCP; 0: any that is free', '1883')
    .option('--ws-port <port>', 'MQTT over WebSocket, path /mqtt; 0: any that is free', '0')
    .option('--host <address>', 'where to listen; it lets everybody in', '127.0.0.1')
    .option('--refuse <filter...>', `filters that SUBACK refuses (default: ${REFUSED.join(' ')})`)
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({ writeOut: (text) => printResult(text.trimEnd()), writeErr: () => undefined });

/** @throws UsageError; undefined: help was asked for, and given */
export function parseOptions(args: readonly string[]): ConformanceBrokerOptions | undefined {
  const raw = parsed(args);
  if (raw === undefined) return undefined;
  const problems: string[] = [];
  const port = (option: string, text: string) => {
    const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value <= MAX_PORT)) problems.push(`${option}: "${text}" is not a port from 0 to ${MAX_PORT}`);
    return value;
  };
  const options = {
    host: raw.host,
    port: port('--port', raw.port),
    wsPort: port('--ws-port', raw.wsPort),
    refused: raw.refuse ?? REFUSED,
  };
  if (problems.length > 0) throw new UsageError(problems);
  return options;
}

function parsed(args: readonly string[]): RawOptions | undefined {
  try {
    return command().parse(args, { from: 'user' }).opts<RawOptions>();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return undefined;
    throw new UsageError([error.message]);
  }
}
