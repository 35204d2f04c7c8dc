import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createInterface, type Interface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessOwner } from './guarded-process.ts';

/*
 * As in guarded-process.ts: a shell that reads from a pipe whose other end only this process holds. Each line starts the server (anew), and
 * the shell says its process id; when the pipe closes, the server and its directory go.
 */
const GUARD = `
directory=$1
shift
command=
trap '' PIPE
while read -r nothing; do
  [ -z "$command" ] || wait "$command"
  "$@" </dev/null >>"$directory/log" 2>&1 &
  command=$!
  echo "$command"
done
[ -z "$command" ] || kill -s KILL "$command" 2>/dev/null
wait
# A server's own children may still be at their end
rm -rf -- "$directory" 2>/dev/null || { sleep 1; rm -rf -- "$directory"; }
`;

const GONE_WITHIN_MS = 10_000;

/** Ids of the processes of a session, but for its first. None where there is no /proc to be asked. */
async function livingOfSession(session: number): Promise<number[]> {
  const pids = (await readdir('/proc').catch(() => []))
    .map(Number)
    .filter((pid) => pid > 0 && pid !== session);
  const living = await Promise.all(
    pids.map(async (pid) => {
      // proc(5): after the name in brackets: state, parent, group, session
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      const [state, , , own] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(own) === session && state !== 'Z' ? pid : undefined;
    }),
  );
  return living.filter((pid) => pid !== undefined);
}

export type RestartableOptions = {
  command: string;
  args: readonly string[];
  /** Working directory, place of the log and of the data; removed in the end. */
  directory: string;
  owner: ProcessOwner | undefined;
  /** Resolves when the server answers. */
  untilReady(): Promise<void>;
};

/** A server that can be killed, frozen and started again over the same data. It does not outlive this process. */
export class RestartableServer {
  private readonly shell;
  private readonly lines: Interface;
  private readonly ended: Promise<unknown>;
  private readonly options: RestartableOptions;
  private pid = 0;

  constructor(options: RestartableOptions) {
    this.options = options;
    const { command, args, directory, owner } = options;
    this.shell = spawn('sh', ['-c', GUARD, 'guard', directory, command, ...args], {
      cwd: directory,
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
      ...owner,
    });
    this.ended = once(this.shell, 'close');
    this.lines = createInterface({ input: this.shell.stdout });
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    await this.untilGone();
    const said = once(this.lines, 'line') as Promise<[string]>;
    this.shell.stdin.write('start\n');
    this.pid = Number((await said)[0]);
    await this.options.untilReady();
  }

  /** kill -9 unless said. */
  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' = 'SIGKILL'): void {
    process.kill(this.pid, name);
  }

  /** What a killed server leaves behind for a moment (PostgreSQL its backends) has what a new one needs, and would keep it from starting. */
  private async untilGone(): Promise<void> {
    for (const end = Date.now() + GONE_WITHIN_MS; Date.now() < end; await sleep(20))
      if ((await livingOfSession(this.shell.pid ?? 0)).length === 0) return;
  }

  async stop(): Promise<void> {
    this.shell.stdin.end();
    await this.ended;
  }
}
