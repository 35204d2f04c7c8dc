import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { freePort } from './free-port.ts';
import { GuardedProcess } from './guarded-process.ts';
import { untilReady } from './ready.ts';
import { reasonOf } from './reason.ts';
import { RestartableServer } from './restartable.ts';
import type { RunningService } from './ways.ts';

const ANSWER_LIMIT_MS = 5_000;

export async function startRedis(binary: string): Promise<RunningService> {
  const directory = await mkdtemp(join(tmpdir(), 'fleetcast-redis-'));
  const port = await freePort();
  const server = new GuardedProcess({
    command: binary,
    args: [
      '--bind',
      '127.0.0.1',
      '--port',
      String(port),
      '--dir',
      directory,
      '--save',
      '',
      '--appendonly',
      'no',
    ],
    directory,
    // It keeps nothing, so there is nothing to be shut down in order.
    stopSignal: 'KILL',
  });
  const url = `redis://127.0.0.1:${port}`;
  try {
    await untilReady('Redis', () => pingRedis(url), server);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return { url, description: `Redis from ${binary}`, stop: () => server.stop() };
}

export type RestartableRedis = { url: string; port: number; server: RestartableServer };

/** One that a test may kill, and that keeps what it has confirmed. `more`: settings beside ours. */
export async function startRestartableRedis(
  binary: string,
  more: Record<string, string> = {},
): Promise<RestartableRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'fleetcast-redis-'));
  const port = await freePort();
  const settings = {
    bind: '127.0.0.1',
    port: String(port),
    dir: directory,
    save: '',
    appendonly: 'yes',
    appendfsync: 'always',
    'maxmemory-policy': 'noeviction',
    ...more,
  };
  return startOne(binary, directory, port, argumentsOf(settings), more.requirepass);
}

/** `settings`: lines of its configuration, which it writes in itself. */
export async function startSentinel(
  binary: string,
  settings: readonly string[],
  password: string,
): Promise<RestartableRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'fleetcast-sentinel-'));
  const port = await freePort();
  const file = join(directory, 'sentinel.conf');
  const common = ['bind 127.0.0.1', `port ${port}`, `dir ${directory}`, `requirepass ${password}`];
  await writeFile(file, [...common, ...settings, ''].join('\n'));
  return startOne(binary, directory, port, [file, '--sentinel'], password);
}

const argumentsOf = (settings: Record<string, string>) =>
  Object.entries(settings).flatMap(([name, value]) => [
    `--${name}`,
    ...(value === '' ? [''] : value.split(' ')),
  ]);

async function startOne(
  binary: string,
  directory: string,
  port: number,
  args: readonly string[],
  password?: string,
): Promise<RestartableRedis> {
  const credentials = password === undefined ? '' : `:${encodeURIComponent(password)}@`;
  const url = `redis://${credentials}127.0.0.1:${port}`;
  const server = new RestartableServer({
    command: binary,
    args,
    directory,
    owner: undefined,
    untilReady: () => untilReady('Redis', () => pingRedis(url)),
  });
  await server.start();
  return { url, port, server };
}

/** Speaks the protocol itself, so that the tests' support needs no client library. */
export async function pingRedis(url: string): Promise<void> {
  const { protocol, hostname, port, username, password } = new URL(url);
  const address = { host: hostname || '127.0.0.1', port: Number(port || 6379) };
  const socket =
    protocol === 'rediss:' ? connectTls({ ...address, servername: hostname }) : connectTcp(address);
  const signal = AbortSignal.timeout(ANSWER_LIMIT_MS);
  try {
    if (password) {
      const credentials = [...(username ? [username] : []), password].map(decodeURIComponent);
      socket.write(request('AUTH', ...credentials));
      await expectReply('+OK');
    }
    socket.write(request('PING'));
    await expectReply('+PONG');
  } catch (error) {
    throw new Error(`Redis at ${address.host}:${address.port} does not answer (${reasonOf(error)})`, {
      cause: error,
    });
  } finally {
    socket.destroy();
  }

  async function expectReply(expected: string): Promise<void> {
    const [reply] = await once(socket, 'data', { signal });
    const text = String(reply).trim();
    if (text !== expected) throw new Error(text);
  }
}

/** A command as Redis wants it: an array of strings, each with its length in bytes. */
export function request(...parts: string[]): string {
  return `*${parts.length}\r\n${parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join('')}`;
}
