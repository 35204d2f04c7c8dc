import type { Apt } from './apt.ts';
import { run } from './run.ts';

type Needed = {
  /** Any of them will do. */
  commands: readonly string[];
  /** On Debian. */
  packageName: string;
  /** Of the environment: the path of one that is elsewhere. It decides alone. */
  variable?: string;
};

/** What some tests use as the users of the product do, and the packages that bring it. */
const PROGRAMS = {
  mosquitto_pub: { commands: ['mosquitto_pub'], packageName: 'mosquitto-clients' },
  mosquitto_sub: { commands: ['mosquitto_sub'], packageName: 'mosquitto-clients' },
  curl: { commands: ['curl'], packageName: 'curl' },
  stdbuf: { commands: ['stdbuf'], packageName: 'coreutils' },
  openssl: { commands: ['openssl'], packageName: 'openssl' },
  chromium: {
    commands: ['chromium', 'chromium-browser', 'google-chrome'],
    packageName: 'chromium',
    variable: 'CHROMIUM_PATH',
  },
} as const satisfies Record<string, Needed>;

type Program = keyof typeof PROGRAMS;

/** The path of the first that is there. */
async function find({ commands, variable }: Needed): Promise<string | undefined> {
  const given = variable && process.env[variable];
  for (const command of given ? [given] : commands) {
    const path = await run('which', command).catch(() => undefined);
    if (path !== undefined) return path;
  }
  return undefined;
}

/** Installs what is missing, before the first test: a test's time is not for downloads. Where that is not possible, the tests that need it say so. */
export async function installPrograms(apt: Apt, log: (line: string) => void): Promise<void> {
  for (const needed of Object.values<Needed>(PROGRAMS)) {
    const { packageName, variable } = needed;
    if ((variable && process.env[variable]) || (await find(needed)) !== undefined) continue;
    const closed = await apt.install(async () => packageName);
    if (closed) log(`${packageName} is missing and not installed: ${closed.reason}`);
  }
}

/** Their paths. Fails with what to do where one is missing. */
export async function needPrograms(...programs: Program[]): Promise<string[]> {
  return Promise.all(
    programs.map(async (program) => {
      const needed: Needed = PROGRAMS[program];
      const path = await find(needed);
      if (path !== undefined) return path;
      const { packageName, variable } = needed;
      const given = variable && process.env[variable];
      throw new Error(
        given
          ? `${variable} is ${given}, which is no program`
          : `No ${needed.commands.join(', ')} for the tests. Install ${packageName}, on Debian and Ubuntu with apt-get (run as root, the tests do it themselves)${variable ? `, or set ${variable}` : ''}`,
      );
    }),
  );
}
