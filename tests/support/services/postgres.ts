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
import { RestartableServer } from './restartable.ts';
import { run } from './run.ts';
import type { RunningService } from './ways.ts';

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  max_connections: '200',
  // Nothing here is to survive the machine: waiting for the disk would only make the tests slow.
  fsync: 'off',
  full_page_writes: 'off',
};

type Cluster = {
  bin: string;
  directory: string;
  data: string;
  password: string;
  owner: ProcessOwner | undefined;
};

/** An empty one, in a temporary directory. */
async function createCluster(bin: string): Promise<Cluster> {
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
  return { bin, directory, data, password, owner };
}

const serverCommand = ({ bin, data, directory }: Cluster, settings: Record<string, string>) => ({
  command: join(bin, 'postgres'),
  args: [
    '-D',
    data,
    ...Object.entries({ ...settings, unix_socket_directories: directory }).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ]),
  ],
});

const urlOf = ({ password }: Cluster, port: number) =>
  `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`;

export async function startPostgres({
  directory: bin,
  major,
}: PostgresInstallation): Promise<RunningService> {
  const cluster = await createCluster(bin);
  const { directory, owner } = cluster;
  const port = await freePort();
  const server = new GuardedProcess({
    ...serverCommand(cluster, { ...SETTINGS, port: String(port) }),
    directory,
    // Immediate shutdown: it waits for no client, and what is on disk does not matter.
    stopSignal: 'QUIT',
    owner,
  });
  const url = urlOf(cluster, port);
  try {
    await untilReady('PostgreSQL', () => query(url, 'select 1'), server);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return { url, description: `PostgreSQL ${major} from ${bin}`, stop: () => server.stop() };
}

/** One that a test may kill, and that keeps what it has committed. */
export async function startRestartablePostgres(
  { directory: bin }: PostgresInstallation,
  more: Record<string, string> = {},
): Promise<{ url: string; server: RestartableServer }> {
  const cluster = await createCluster(bin);
  const port = await freePort();
  const url = urlOf(cluster, port);
  const server = new RestartableServer({
    ...serverCommand(cluster, {
      ...SETTINGS,
      fsync: 'on',
      full_page_writes: 'on',
      port: String(port),
      ...more,
    }),
    directory: cluster.directory,
    owner: cluster.owner,
    untilReady: () => untilReady('PostgreSQL', () => query(url, 'select 1')),
  });
  await server.start();
  return { url, server };
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
