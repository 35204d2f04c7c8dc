import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readlink } from 'node:fs/promises';
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

/**
 * Whether a process works in a directory, but for one. By that alone are PostgreSQL's backends known: each has a session of its own, and no
 * parent any more when the first process is killed. None where there is no /proc to be asked; of one that has ended, /proc says nothing.
 */
async function isWorkedIn(directory: string, but: number | undefined): Promise<boolean> {
  const pids = (await readdir('/proc').catch(() => [])).map(Number).filter((pid) => pid > 0 && pid !== but);
  const places = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')));
  return places.some((place) => place === directory || place.startsWith(`${directory}/`));
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

  /** Working directory of it and of all that it starts. */
  get directory(): string {
    return this.options.directory;
  }

  /** kill -9 unless said. */
  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' = 'SIGKILL'): void {
    process.kill(this.pid, name);
  }

  /** What a killed server leaves behind for a moment (PostgreSQL its backends) has what a new one needs, and would keep it from starting. */
  private async untilGone(): Promise<void> {
    for (const end = Date.now() + GONE_WITHIN_MS; Date.now() < end; await sleep(20))
      if (!(await isWorkedIn(this.options.directory, this.shell.pid))) return;
  }

  async stop(): Promise<void> {
    this.shell.stdin.end();
    await this.ended;
  }
}
