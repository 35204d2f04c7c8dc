import { execFile } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const COMPILED = join(ROOT, 'node_modules/.cache/fleetcast');

/** Compiles the product and its tools, as its image does: the tests start some hundreds of processes, and each would do it again. Gives the folder. */
export async function compileProduct(): Promise<string> {
  rmSync(COMPILED, { recursive: true, force: true });
  const tsc = join(ROOT, 'node_modules/.bin/tsc');
  await promisify(execFile)(tsc, ['-p', 'tests/support/services', '--outDir', COMPILED], { cwd: ROOT });
  cpSync(join(ROOT, 'migrations'), join(COMPILED, 'migrations'), {
    recursive: true,
  });
  cpSync(join(ROOT, 'package.json'), join(COMPILED, 'package.json'));
  return COMPILED;
}
