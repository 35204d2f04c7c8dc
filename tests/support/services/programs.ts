import type { Apt } from './apt.ts';
import { succeeds } from './run.ts';

/** What some tests use as the users of the product do, and the packages that bring it. */
const PACKAGES = {
  mosquitto_pub: 'mosquitto-clients',
  mosquitto_sub: 'mosquitto-clients',
  curl: 'curl',
  stdbuf: 'coreutils',
  openssl: 'openssl',
} as const;

type Program = keyof typeof PACKAGES;

const isThere = (program: Program) => succeeds('which', program);

/** Installs what is missing, before the first test: a test's time is not for downloads. Where that is not possible, the tests that need it say so. */
export async function installPrograms(apt: Apt): Promise<void> {
  for (const [program, packageName] of Object.entries(PACKAGES) as [Program, string][])
    if (!(await isThere(program))) await apt.install(async () => packageName);
}

/** Fails with what to do where a program is missing. */
export async function needPrograms(...programs: Program[]): Promise<void> {
  for (const program of programs)
    if (!(await isThere(program)))
      throw new Error(
        `No ${program} for the tests. Install ${PACKAGES[program]}, on Debian and Ubuntu with apt-get (run as root, the tests do it themselves)`,
      );
}
