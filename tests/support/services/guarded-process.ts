import { spawn } from 'node:child_process';

/*
 * A server that never outlives this process, however this process ends: normally, by Ctrl-C or by
 * kill -9. A shell is its parent and reads from a pipe whose other end only this process holds. When the
 * pipe closes, the shell ends the server by its process id and removes its directory. An ordinary stop is
 * the same thing: closing the pipe.
 */
const GUARD = `
directory=$1 signal=$2 when=$3
shift 3
exec 3<&0
"$@" </dev/null >>"$directory/log" 2>&1 3<&- &
command=$!
{ read -r nothing <&3; kill -s "$signal" "$command"; } 2>/dev/null &
watcher=$!
trap '' PIPE # nobody reads the messages when the starter was killed; the directory must go all the same
wait "$command"
status=$?
{ kill "$watcher"; wait "$watcher"; } 2>/dev/null
[ "$status" -eq 0 ] || tail -n 20 "$directory/log" >&2
[ "$when" = on-success ] && [ "$status" -eq 0 ] || rm -rf -- "$directory"
exit "$status"
`;

export interface ProcessOwner {
  uid: number;
  gid: number;
}

export interface GuardedCommand {
  command: string;
  args: string[];
  /** Working directory and place of the log; removed when the command has ended. */
  directory: string;
  /** Keep the directory when the command succeeds: it prepares the ground for the next one. */
  keepOnSuccess?: boolean;
  stopSignal: 'QUIT' | 'TERM' | 'KILL';
  owner?: ProcessOwner | undefined;
}

export interface Ended {
  code: number | null;
  /** The end of the log, where the command failed. */
  log: string;
}

export class GuardedProcess {
  readonly #shell;
  readonly ended: Promise<Ended>;

  constructor({ command, args, directory, keepOnSuccess = false, stopSignal, owner }: GuardedCommand) {
    const when = keepOnSuccess ? 'on-success' : 'never';
    this.#shell = spawn('sh', ['-c', GUARD, 'guard', directory, stopSignal, when, command, ...args], {
      cwd: directory,
      // The messages in English, so that they read the same everywhere.
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
      stdio: ['pipe', 'ignore', 'pipe'],
      // A session of its own: a Ctrl-C is for the tests first, the server follows when they are gone.
      detached: true,
      ...owner,
    });
    let log = '';
    this.#shell.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
    this.ended = new Promise((resolve) => {
      this.#shell.once('error', (error) => resolve({ code: null, log: error.message }));
      this.#shell.once('close', (code) => resolve({ code, log: log.trim() }));
    });
  }

  async stop(): Promise<void> {
    this.#shell.stdin.end();
    await this.ended;
  }
}

/** Runs a command to its end. */
export async function runGuarded(command: GuardedCommand): Promise<void> {
  const { code, log } = await new GuardedProcess(command).ended;
  if (code !== 0) throw new Error(`${command.command} ended with ${code}:\n${log}`);
}
