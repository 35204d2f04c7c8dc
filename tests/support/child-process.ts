import { type ChildProcess, spawn as nodeSpawn, type SpawnOptions } from 'node:child_process';

declare global {
  /** The processes that a file of tests has started, while it runs: see environment.ts. */
  var testProcesses: Set<ChildProcess> | undefined;
}

/**
 * As node's, for a process that does not outlive the file of tests that started it, whatever became of the hook that was to end it: a
 * process left behind holds the pipes that Jest waits for, and with them the whole run. A `detached` one is ended with all that it started.
 */
export const spawn = ((command: string, args: string[], options: SpawnOptions): ChildProcess => {
  const processes = globalThis.testProcesses;
  if (processes === undefined) throw new Error(`the tests are over: ${command} is not started any more`);
  const child = nodeSpawn(command, args, options);
  processes.add(child);
  if (options.detached) child.kill = (signal) => killGroup(child, signal);
  return child;
}) as typeof nodeSpawn;

function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals | number = 'SIGTERM'): boolean {
  if (pid === undefined) return false;
  try {
    return process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
