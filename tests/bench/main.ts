import { writeFileSync } from 'node:fs';
import { compileProduct } from '../support/services/compiled.ts';
import { readOptions } from './options.ts';
import { plot } from './report/plot.ts';
import { report } from './report/table.ts';
import { runBench } from './run.ts';

const options = readOptions(process.argv.slice(2));
if (options !== undefined) {
  // What the tests' set-up makes for them
  globalThis.testProcesses = new Set();
  process.env.TEST_COMPILED = await compileProduct();
  const results = await runBench(options, (line) => process.stderr.write(`${line}\n`));
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
  if (options.plot !== undefined) writeFileSync(options.plot, plot(results.traffic));
  process.stdout.write(report(results));
}
