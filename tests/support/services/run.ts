import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Runs a program to its end and gives what it wrote; a failure carries what it said. */
export async function run(command: string, ...args: string[]): Promise<string> {
  try {
    const { stdout } = await execute(command, args, { maxBuffer: 16 * 1024 * 1024 });
    return stdout.trim();
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    throw new Error(`${command} failed${said && `: ${said}`}`, { cause: error });
  }
}

/** True when the program is there and succeeded. */
export async function succeeds(command: string, ...args: string[]): Promise<boolean> {
  return run(command, ...args).then(
    () => true,
    () => false,
  );
}
