import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { spawn } from './child-process.ts';

/** What `mosquitto_sub -d` tells beside the messages; by the second one it is known that it has subscribed. */
const CHATTER = /^(Client \S+ (sending|received) |Subscribed \(mid: ).*\n/gm;
const SUBSCRIBED = /^Subscribed \(mid: /m;
const POLL_MS = 50;

/** What goes on until somebody ends it. */
const GOES_ON = /^(mosquitto_sub\b(?!.* -C )|curl -\w*N|.*\bnode (follow|guest)\.mjs)|^npm run replay/m;

export type Run = { code: string; output(): Promise<string> };

export const goesOn = (code: string) => GOES_ON.test(code.replaceAll('\\\n', ''));

/** The terminals of one reader: what is pasted shares its variables, and what goes on has a terminal of its own. */
export class Terminal {
  readonly #folder: string;
  readonly #shell: ChildProcess;
  readonly #closed: Promise<unknown>;
  #pasted = 0;

  constructor(folder: string, env: Record<string, string>) {
    this.#folder = folder;
    // A group of its own, to be ended as a whole, with what goes on in it
    this.#shell = spawn('bash', ['--noprofile', '--norc'], {
      cwd: folder,
      env,
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#closed = once(this.#shell, 'close');
    this.#type("set -o pipefail; trap 'failed=$?' ERR");
    // Into a file it would tell only now and then
    this.#type('mosquitto_sub() { stdbuf -oL mosquitto_sub "$@"; }');
  }

  /** Runs code to its end. Fails where one of its commands does. */
  async run(code: string, timeoutMs = 25_000): Promise<Run> {
    const { run, name } = await this.#prepare(code);
    this.#type(`failed=0; . ./${name}.sh </dev/null >${name}.out 2>&1; echo $failed >${name}.status`);
    await until(async () => (await this.#read(`${name}.status`)) !== '', run, timeoutMs);
    const status = await this.#read(`${name}.status`);
    if (status !== '0\n') throw new Error(`status ${status.trim()}: ${code}\n\n${await run.output()}`);
    return run;
  }

  /** Starts what goes on, and waits until it has begun. */
  async follow(code: string): Promise<Run> {
    const { run, name } = await this.#prepare(code);
    this.#type(`( . ./${name}.sh ) </dev/null >${name}.out 2>&1 &`);
    const begun = /^(curl|cat)/.test(code) ? /./ : SUBSCRIBED;
    await until(async () => begun.test(await this.#read(`${name}.out`)), run);
    return run;
  }

  /** Ends the shell and all that goes on in it. */
  async close(): Promise<void> {
    this.#shell.kill('SIGKILL');
    await this.#closed;
  }

  async #prepare(code: string): Promise<{ run: Run; name: string }> {
    const name = `pasted-${++this.#pasted}`;
    await writeFile(join(this.#folder, `${name}.sh`), code);
    // The last line may be without an end
    const output = async () =>
      (await this.#read(`${name}.out`)).replaceAll(CHATTER, '').replace(/[^\n]$/, '$&\n');
    return { run: { code, output }, name };
  }

  #type(line: string): void {
    this.#shell.stdin?.write(`${line}\n`);
  }

  async #read(name: string): Promise<string> {
    try {
      return (await readFile(join(this.#folder, name), 'utf8')).replaceAll('\r', '');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
      throw error;
    }
  }
}

/** Fails with what was printed so far. */
export async function until(holds: () => Promise<boolean>, run: Run, timeoutMs = 15_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > end)
      throw new Error(`not within ${timeoutMs} ms: ${run.code}\n\nPrinted so far:\n${await run.output()}`);
    await wait(POLL_MS);
  }
}
