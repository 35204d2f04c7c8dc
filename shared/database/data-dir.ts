import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** sun_path holds 108 bytes on Linux and 104 on macOS, the final NUL included (unix(7)). */
const MAX_SOCKET_PATH = 100;

const hashOf = (directory: string) => createHash('sha256').update(directory).digest('hex').slice(0, 16);

/** Makes the folder, for its owner's eyes only, and returns its real path. */
export function prepareDataDir(dataDir: string): string {
  mkdirSync(resolve(dataDir), { recursive: true, mode: 0o700 });
  return realpathSync(resolve(dataDir));
}

/**
 * The folder of the database's socket: DATA_DIR itself or, where that path is too long for a socket, one of our own under the
 * temporary folder. Only its owner may enter it: the embedded database asks nobody for a password.
 */
export function socketDir(dataDir: string): string {
  const inside = join(dataDir, 'socket');
  const directory =
    `${inside}/.s.PGSQL.5432`.length <= MAX_SOCKET_PATH
      ? inside
      : join(tmpdir(), `fleetcast-${hashOf(dataDir)}`);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  return directory;
}

/**
 * Where the database's files are. A first start that is cut short leaves some of them, which can be neither opened nor completed: a
 * note stands beside them until they are whole, and what it stands beside is made anew. Nothing was ever stored in that.
 * @returns the folder, and what to call once the database has been opened
 */
export function databaseDir(dataDir: string): { path: string; opened(): void } {
  const path = join(dataDir, 'postgres');
  const note = `${path}.unfinished`;
  if (existsSync(note)) rmSync(path, { recursive: true, force: true });
  if (!existsSync(path)) writeFileSync(note, '');
  return { path, opened: () => rmSync(note, { force: true }) };
}

const answers = (path: string) =>
  new Promise<boolean>((done) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });

const listen = (path: string) =>
  new Promise<Server>((done, fail) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', fail);
    server.listen(path, () => {
      server.unref();
      done(server);
    });
  });

/**
 * Two processes on one DATA_DIR would destroy the database. The lock is a listening socket, since that, unlike a file,
 * goes with the process, also on kill -9. Linux has names for it outside of the file system (unix(7), abstract).
 * @returns how to let go
 * @throws when another process holds the folder
 */
export async function lockDataDir(dataDir: string): Promise<() => void> {
  const name = `fleetcast-${hashOf(dataDir)}`;
  const abstract = process.platform === 'linux';
  const path = abstract ? `\0${name}` : join(tmpdir(), `${name}.lock`);
  if (!abstract && !(await answers(path))) rmSync(path, { force: true });
  try {
    const server = await listen(path);
    return () => server.close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE')
      throw new Error(`DATA_DIR ${dataDir} is in use by another running process`);
    throw error;
  }
}
