import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { spawn } from '../child-process.ts';
import { environmentOf, readDockerfile, type Stage, type Step } from './dockerfile.ts';
import { ROOT } from './files.ts';

/** What npm tells its scripts of the package that it runs them for. */
const NPM_OWN =
  /^(npm_(package|lifecycle)_|npm_config_local_prefix|npm_command|INIT_CWD|NODE_ENV|NODE_OPTIONS)/;

/** Who runs what is built: the image's user where we may become it. */
const OWN = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

export type Ended = { status: number | null; stdout: string; stderr: string };

/**
 * deploy/Dockerfile, its steps done by hand: every stage has an empty folder for its root, and an absolute path in a step is one below
 * it. What is not there of a container: its base image (Node is this one), and that the root can't be left.
 */
export class HandMadeImage {
  private readonly directory: string;
  private readonly image: Stage;

  private constructor(directory: string, image: Stage) {
    this.directory = directory;
    this.image = image;
  }

  static async build(): Promise<HandMadeImage> {
    const directory = await mkdtemp(join(tmpdir(), 'fleetcast-image-'));
    await chmod(directory, 0o755);
    const stages = readDockerfile();
    const made = new HandMadeImage(directory, stages.at(-1) as Stage);
    try {
      for (const stage of stages) await made.make(stage);
      return made;
    } catch (error) {
      await made.remove();
      throw error;
    }
  }

  /** The words of its CMD or HEALTHCHECK. */
  command(keyword: 'CMD' | 'HEALTHCHECK'): string[] {
    return this.image.steps.findLast((step) => step.keyword === keyword)?.words ?? [];
  }

  /** The real path of one in the image. */
  path(inImage: string): string {
    return this.at(this.image, inImage);
  }

  /** Starts a command as the container runtime would: the image's variables, folder and user. */
  start([program = '', ...words]: readonly string[], env: Readonly<Record<string, string>>) {
    const { DATA_DIR = '', ...variables } = environmentOf(this.image);
    return spawn(program === 'node' ? process.execPath : program, words, {
      cwd: this.workdir(this.image),
      env: { PATH: process.env.PATH ?? '', ...variables, DATA_DIR: this.path(DATA_DIR), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...this.user(),
    });
  }

  /** The same, to its end. */
  async run(command: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
    const child = this.start(command, env);
    const [stdout, stderr, [status]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit') as Promise<[number | null]>,
    ]);
    return { status, stdout, stderr };
  }

  remove(): Promise<void> {
    return rm(this.directory, { recursive: true, force: true });
  }

  private user(): { uid: number; gid: number } {
    if (OWN.uid !== 0) return OWN;
    const [uid = 0, gid = 0] =
      this.image.steps
        .find(({ keyword }) => keyword === 'USER')
        ?.words[0]?.split(':')
        .map(Number) ?? [];
    return { uid, gid };
  }

  private at({ name = 'image' }: Stage, path: string): string {
    return join(this.directory, name, path);
  }

  private workdir(stage: Stage): string {
    return this.at(stage, stage.steps.find(({ keyword }) => keyword === 'WORKDIR')?.words[0] ?? '/');
  }

  private async make(stage: Stage): Promise<void> {
    await mkdir(this.workdir(stage), { recursive: true });
    for (const step of stage.steps) {
      if (step.keyword === 'RUN') await this.runStep(stage, step.words[0] ?? '');
      if (step.keyword === 'COPY') await this.copyStep(stage, step);
    }
  }

  private async runStep(stage: Stage, command: string): Promise<void> {
    const { uid, gid } = this.user();
    const here = command
      .replace(/(?<=\s)\/(?=\w)/g, this.at(stage, '/'))
      .replace(/(?<=chown )\d+:\d+/, `${uid}:${gid}`);
    // Behind the other tests that run: it may take its time
    const child = spawn('nice', ['-n', '10', 'bash', '-e', '-c', here], {
      cwd: this.workdir(stage),
      env: {
        ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !NPM_OWN.test(name))),
        npm_config_prefer_offline: 'true',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [said, complained, [status]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit') as Promise<[number | null]>,
    ]);
    if (status !== 0) throw new Error(`RUN ${command}: status ${status}\n${said}${complained}`);
  }

  /** Of a folder what is in it is copied, as Docker does. */
  private async copyStep(stage: Stage, { words, flags }: Step): Promise<void> {
    const target = resolve(this.workdir(stage), words.at(-1) ?? '');
    for (const source of words.slice(0, -1)) {
      if (flags.from !== undefined) {
        // Moved: nobody looks at that stage again
        await rename(join(this.directory, flags.from, source), target);
        continue;
      }
      const from = join(ROOT, source);
      const isFolder = (await stat(from)).isDirectory();
      await cp(from, isFolder ? target : join(target, basename(source)), { recursive: true });
    }
  }
}
