import { randomBytes } from 'node:crypto';
import { chown, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import type { PostgresInstallation } from './find-binaries.ts';
import { freePort } from './free-port.ts';
import { GuardedProcess, type ProcessOwner, runGuarded } from './guarded-process.ts';
import { untilReady } from './ready.ts';
import { reasonOf } from './reason.ts';
import { run } from './run.ts';
import type { RunningService } from './ways.ts';

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  max_connections: '200',
  // Nothing here is to survive the machine: waiting for the disk would only make the tests slow.
  fsync: 'off',
  full_page_writes: 'off',
};

export async function startPostgres({
  directory: bin,
  major,
}: PostgresInstallation): Promise<RunningService> {
  const owner = await serverOwner();
  const directory = await mkdtemp(join(tmpdir(), 'fleetcast-postgres-'));
  const data = join(directory, 'data');
  // A password, so that other users of this machine do not get a superuser's session.
  const password = randomBytes(18).toString('base64url');
  const passwordFile = join(directory, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (owner) await Promise.all([directory, passwordFile].map((path) => chown(path, owner.uid, owner.gid)));

  await runGuarded({
    command: join(bin, 'initdb'),
    args: [
      `--pgdata=${data}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--no-locale',
      '--no-sync',
    ],
    directory,
    keepOnSuccess: true,
    stopSignal: 'TERM',
    owner,
  });

  const port = await freePort();
  const settings = Object.entries({ ...SETTINGS, port: String(port), unix_socket_directories: directory });
  const server = new GuardedProcess({
    command: join(bin, 'postgres'),
    args: ['-D', data, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    directory,
    // Immediate shutdown: it waits for no client, and what is on disk does not matter.
    stopSignal: 'QUIT',
    owner,
  });
  const url = `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`;
  try {
    await untilReady('PostgreSQL', () => query(url, 'select 1'), server);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return { url, description: `PostgreSQL ${major} from ${bin}`, stop: () => server.stop() };
}

/** initdb and postgres refuse to run as root; the packages bring a user for them. */
async function serverOwner(): Promise<ProcessOwner | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = await Promise.all([run('id', '-u', 'postgres'), run('id', '-g', 'postgres')]);
  return { uid: Number(uid), gid: Number(gid) };
}

/** Fails unless the server answers and is new enough, with PostGIS to be created on it. */
export async function checkPostgis(url: string): Promise<void> {
  const [row] = await query(
    url,
    `select current_setting('server_version_num')::int / 10000 as server,
            (select default_version from pg_available_extensions where name = 'postgis') as postgis`,
  ).catch((error: unknown) => {
    throw new Error(`PostgreSQL at ${new URL(url).host} does not answer (${reasonOf(error)})`, {
      cause: error,
    });
  });
  const shortcoming = postgisShortcoming(Number(row?.server), row?.postgis ?? undefined);
  if (shortcoming) throw new Error(`PostgreSQL at ${new URL(url).host} ${shortcoming}`);
}

export function postgisShortcoming(serverMajor: number, postgis: string | undefined): string | undefined {
  if (serverMajor < 15) return `is version ${serverMajor}; 15 or newer is needed`;
  if (postgis === undefined) return 'has no PostGIS';
  const [major = 0, minor = 0] = postgis.split('.').map(Number.parseFloat);
  if (major < 3 || (major === 3 && minor < 3)) return `has PostGIS ${postgis}; 3.3 or newer is needed`;
  return undefined;
}

async function query(url: string, sql: string): Promise<Record<string, string | null>[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
