import { constants, existsSync } from 'node:fs';
import { access, readdir, realpath } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { run } from './run.ts';
import type { Closed } from './ways.ts';

const DEBIAN_POSTGRES = '/usr/lib/postgresql';
/** What the product asks of a server (README, clustered mode). */
const OLDEST_POSTGRES = 15;

export interface PostgresInstallation {
  directory: string;
  major: number;
  hasPostgis: boolean;
}

export async function findPostgres(): Promise<PostgresInstallation | Closed> {
  const installations = await postgresInstallations();
  return pickPostgres(installations) ?? { reason: whyNoPostgres(installations) };
}

export async function findRedisServer(): Promise<string | undefined> {
  const [directory] = await directoriesWith(['redis-server'], searchPath());
  return directory && join(directory, 'redis-server');
}

/** Every PostgreSQL server on the PATH and where Debian keeps them, which is not on the PATH. */
export async function postgresInstallations(): Promise<PostgresInstallation[]> {
  const versions = existsSync(DEBIAN_POSTGRES) ? await readdir(DEBIAN_POSTGRES) : [];
  const places = [...searchPath(), ...versions.map((version) => join(DEBIAN_POSTGRES, version, 'bin'))];
  const directories = await directoriesWith(['initdb', 'postgres'], places);
  return Promise.all(
    directories.map(async (directory) => {
      const major = parseMajor(await run(join(directory, 'postgres'), '--version'));
      return { directory, major, hasPostgis: await hasPostgis(directory, major) };
    }),
  );
}

/** The newest one that has PostGIS: a server without it is of no use here. */
export function pickPostgres(
  installations: readonly PostgresInstallation[],
): PostgresInstallation | undefined {
  return installations
    .filter(({ major, hasPostgis }) => hasPostgis && major >= OLDEST_POSTGRES)
    .toSorted((a, b) => b.major - a.major)[0];
}

export function whyNoPostgres(installations: readonly PostgresInstallation[]): string {
  if (installations.length === 0) return `no initdb and postgres on the PATH or in ${DEBIAN_POSTGRES}`;
  return installations
    .map(({ directory, major, hasPostgis }) =>
      hasPostgis
        ? `PostgreSQL ${major} in ${directory} is older than ${OLDEST_POSTGRES}`
        : `PostgreSQL ${major} in ${directory} has no PostGIS`,
    )
    .join('; ');
}

/** `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, and `17beta1` before a release. */
export function parseMajor(versionLine: string): number {
  const major = /\(PostgreSQL\) (\d+)/.exec(versionLine)?.[1];
  if (!major) throw new Error(`postgres --version is not understood: ${versionLine}`);
  return Number(major);
}

async function hasPostgis(directory: string, major: number): Promise<boolean> {
  const shares = [`/usr/share/postgresql/${major}`, join(directory, '../share/postgresql')];
  // Only the pg_config beside the server speaks for it: the one on the PATH may be another version's.
  const pgConfig = join(directory, 'pg_config');
  if (await isExecutable(pgConfig)) shares.unshift(await run(pgConfig, '--sharedir'));
  return shares.some((share) => existsSync(join(share, 'extension', 'postgis.control')));
}

/** The directories that hold all of the programs, by their real names and each once. */
async function directoriesWith(programs: readonly string[], places: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const place of places) {
    const executable = await Promise.all(programs.map((program) => isExecutable(join(place, program))));
    // A PATH may hold links to the programs alone, and their neighbours are elsewhere.
    if (executable.every(Boolean)) found.add(dirname(await realpath(join(place, programs[0] ?? ''))));
  }
  return [...found];
}

function searchPath(): string[] {
  return (process.env.PATH ?? '').split(delimiter).filter((place) => place !== '');
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
