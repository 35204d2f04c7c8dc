import { writeFile } from 'node:fs/promises';
import { KeySetupError } from '../../shared/auth/settings.ts';
import { createTokenSigner, NoSigningKeyError } from '../../shared/auth/sign.ts';
import { ConfigError, readConfig } from '../../shared/config.ts';
import { loadEnvFile } from '../../shared/env-file.ts';
import { localAddresses } from '../shared/addresses.ts';
import { interruption } from '../shared/interruption.ts';
import { printNote, printResult } from '../shared/output.ts';
import { UsageError } from '../shared/usage-error.ts';
import { Ledger } from './ledger/ledger.ts';
import { parseOptions, type SimulateOptions } from './options.ts';
import { startProgress } from './progress.ts';
import { accountOf, summaryLines } from './report.ts';
import { run } from './run.ts';

/*
 * `npm run simulate [options]`: a city whose drivers publish their positions and whose riders book trips and follow
 * them, all through the platform's public interfaces, as any other client would. Everything that is sent is written down,
 * and so is everything that comes: at the end the two are compared with each other and with what REST tells.
 * Exit status 0: nothing lost, doubled, out of order or leaked. 1: not so. 2: the arguments or the configuration are wrong.
 */

/** Found out before the run, not after it. */
async function openAccountFile(file: string): Promise<void> {
  try {
    await writeFile(file, '');
  } catch (error) {
    throw new UsageError([`--json: ${(error as Error).message}`]);
  }
}

async function simulate(options: SimulateOptions): Promise<boolean> {
  if (options.json !== undefined) await openAccountFile(options.json);
  const config = readConfig(process.env);
  const signer = await createTokenSigner(config.jwt);
  const local = localAddresses(config);
  const addresses = {
    mqtt: options.url ?? local.mqtt,
    ws: options.wsUrl ?? local.ws,
    rest: options.apiUrl ?? local.rest,
  };
  const ledger = new Ledger();
  const { isTTY, columns } = process.stderr;
  const progress = startProgress(ledger, options, isTTY ? { columns } : undefined);
  try {
    const { note } = progress;
    const result = await run({ options, addresses, signer, ledger, note, interrupted: interruption() });
    progress.stop();
    const account = accountOf({ ...result, ledger, options });
    for (const line of summaryLines(account, ledger)) printResult(line);
    if (options.json !== undefined)
      await writeFile(options.json, `${JSON.stringify(account, undefined, 2)}\n`);
    return account.clean;
  } finally {
    progress.stop();
  }
}

async function main(): Promise<number> {
  try {
    loadEnvFile();
    const options = parseOptions(process.argv.slice(2));
    return options === undefined || (await simulate(options)) ? 0 : 1;
  } catch (error) {
    if (error instanceof KeySetupError || error instanceof NoSigningKeyError) {
      printNote(`simulate: ${error.message}`);
      return 2;
    }
    if (!(error instanceof UsageError || error instanceof ConfigError)) throw error;
    for (const problem of error.problems) printNote(`simulate: ${problem}`);
    return 2;
  }
}

process.exitCode = await main();
