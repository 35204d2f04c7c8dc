import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { reasonOf } from './reason.ts';
import { run, succeeds } from './run.ts';
import type { Closed } from './ways.ts';

/*
 * The packages' own services are not used, so they are kept from starting: Debian asks policy-rc.d first,
 * and 101 forbids. Where an administrator has put one already, that one decides.
 */
const INSTALL = `
set -e
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\\nexit 101\\n' >"$policy"
  chmod 755 "$policy"
fi
apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Acquire::http::Timeout=30 install -y -q --no-install-recommends "$@"
`;

/** Installs packages on Debian and Ubuntu, where it is root or becomes it without a password. */
export class Apt {
  readonly #log: (line: string) => void;
  #lists: Promise<void> | undefined;

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  /** Nothing when the chosen package is installed, otherwise why not. */
  async install(choose: () => Promise<string | Closed>): Promise<Closed | undefined> {
    const closed = aptClosed({
      osRelease: existsSync('/etc/os-release') ? await readFile('/etc/os-release', 'utf8') : '',
      root: isRoot(),
      sudo: !isRoot() && (await succeeds('sudo', '-n', 'true')),
    });
    if (closed) return closed;
    try {
      this.#lists ??= this.#refreshLists();
      await this.#lists;
      const chosen = await choose();
      if (typeof chosen !== 'string') return chosen;
      this.#log(`Installing ${chosen} with apt-get`);
      await asRoot('sh', '-c', INSTALL, 'install', chosen);
      return undefined;
    } catch (error) {
      return { reason: reasonOf(error) };
    }
  }

  /** One foreign source that cannot be reached does not matter as long as the packages are found. */
  async #refreshLists(): Promise<void> {
    try {
      await asRoot('apt-get', '-o', 'Acquire::http::Timeout=30', 'update', '-q');
    } catch (error) {
      this.#log(`Going on with the old package lists: ${reasonOf(error)}`);
    }
  }
}

export interface AptCircumstances {
  osRelease: string;
  root: boolean;
  /** sudo works without a password. */
  sudo: boolean;
}

export function aptClosed({ osRelease, root, sudo }: AptCircumstances): Closed | undefined {
  if (!/^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(osRelease))
    return { reason: 'this is not Debian or Ubuntu' };
  if (!root && !sudo) return { reason: 'neither root nor a sudo that asks for no password' };
  return undefined;
}

/** The PostGIS package that goes with a server which is here already, else with the newest on offer. */
export async function choosePostgisPackage(installedMajors: readonly number[]): Promise<string | Closed> {
  const offered = await run('apt-cache', 'search', '--names-only', '^postgresql-[0-9]+-postgis-3$');
  const major = pickPostgisMajor(offeredPostgisMajors(offered), installedMajors);
  if (major === undefined) return { reason: 'apt-cache knows no postgresql-NN-postgis-3 from version 15 on' };
  return `postgresql-${major}-postgis-3`;
}

export function offeredPostgisMajors(aptCacheSearch: string): number[] {
  return [...aptCacheSearch.matchAll(/^postgresql-(\d+)-postgis-3 /gm)].map(([, major]) => Number(major));
}

export function pickPostgisMajor(
  offered: readonly number[],
  installed: readonly number[],
): number | undefined {
  const fit = offered.filter((major) => major >= 15).toSorted((a, b) => b - a);
  return fit.find((major) => installed.includes(major)) ?? fit[0];
}

async function asRoot(command: string, ...args: string[]): Promise<string> {
  return isRoot() ? run(command, ...args) : run('sudo', '-n', command, ...args);
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}
