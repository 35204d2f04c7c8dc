import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from '../support/child-process.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { compiled } from '../support/platform.ts';

/** Longer than any start takes, shorter than the test's own patience. */
const PATIENCE_MS = 40_000;

let folder: string;
const running = new Set<ReturnType<typeof spawn>>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fleetcast-configuration-'));
});
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
});
afterAll(() => rm(folder, { recursive: true }));

/** Starts the product in an empty folder and environment, and waits for its end. `status` null: it did not end by itself. */
async function start(env: Record<string, string>, ...args: string[]) {
  const child = spawn(process.execPath, [compiled('main.ts'), ...args], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      MQTT_PORT: '0',
      MQTT_WS_PORT: '0',
      API_PORT: '0',
      METRICS_PORT: '0',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: PATIENCE_MS,
    killSignal: 'SIGKILL',
  });
  running.add(child);
  const closed = once(child, 'close') as Promise<[number | null]>;
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [status] = await closed;
  running.delete(child);
  return { status, stdout, stderr, problems: stderr.split('\n').filter((line) => line !== '') };
}

describe('a start with a bad configuration ends with status 2', () => {
  test('and a line for each problem, and nothing else', async () => {
    const { status, stdout, problems } = await start({
      API_PORT: '99999',
      LOG_LEVEL: 'loud',
      TRUST_PROXY: 'maybe',
    });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(problems).toEqual([
      expect.stringMatching(/^API_PORT must be at most 65535, but is "99999"$/),
      expect.stringMatching(/^TRUST_PROXY must be /),
      expect.stringMatching(/^LOG_LEVEL must be one of /),
    ]);
  });

  test.each([
    ['another database', 'mysql://fleet:hunter2@db/fleet'],
    ['a port that is none', 'postgres://fleet:hunter2@db:port/fleet'],
    ['no host at all', 'postgres://fleet:hunter2@/fleet'],
  ])('and without its password, for a DATABASE_URL of %s', async (_name, url) => {
    const { status, stdout, stderr, problems } = await start({ DATABASE_URL: url });
    expect({ status, problems }).toEqual({
      status: 2,
      problems: [expect.stringMatching(/^DATABASE_URL must be /)],
    });
    expect(stdout + stderr).not.toContain('hunter2');
  });

  test.each([
    ['an unknown argument', ['--port', '1'], /--port/],
    ['an unknown role', ['--role', 'brocker'], /^ROLE must be one of .*brocker/],
    ['a role without its value', ['--role'], /--role/],
  ])('for %s', async (_name, args, line) => {
    const { status, problems } = await start({}, ...args);
    expect({ status, problems }).toEqual({ status: 2, problems: [expect.stringMatching(line)] });
  });

  test('for keys of the tokens that are not there', async () => {
    const { status, problems } = await start({ JWT_PUBLIC_KEY_FILE: join(folder, 'none.pem') });
    expect({ status, problems }).toEqual({
      status: 2,
      problems: [expect.stringMatching(/^JWT_PUBLIC_KEY_FILE/)],
    });
  });

  test('for TLS files that are not there, or hold no certificate', async () => {
    const path = join(folder, 'empty.pem');
    await writeFile(path, 'nothing');
    const none = await start({
      MQTTS_PORT: '0',
      TLS_CERT_FILE: join(folder, 'none.pem'),
      TLS_KEY_FILE: '/none.pem',
    });
    expect(none).toMatchObject({ status: 2, stdout: '' });
    expect(none.problems).toEqual([
      expect.stringMatching(/^TLS_CERT_FILE can't be read/),
      expect.stringMatching(/^TLS_KEY_FILE can't be read/),
    ]);
    const empty = await start({ MQTTS_PORT: '0', TLS_CERT_FILE: path, TLS_KEY_FILE: path });
    expect(empty).toMatchObject({ status: 2, stdout: '' });
    expect(empty.problems).toEqual([expect.stringMatching(/^TLS_CERT_FILE and TLS_KEY_FILE/)]);
  });

  test('for an ARCHIVE_DIR that no file can be made in', async () => {
    const path = join(folder, 'a-file');
    await writeFile(path, '');
    const { status, stdout, problems } = await start({ ARCHIVE_DIR: join(path, 'archive') });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(problems).toEqual([expect.stringMatching(/^ARCHIVE_DIR can't be written in: .*a-file/)]);
  });

  test('also when it comes from a file .env, over which the environment wins', async () => {
    await writeFile(join(folder, '.env'), 'LOG_LEVEL=loud\nROLE=pilot\n');
    try {
      const { status, problems } = await start({ LOG_LEVEL: 'info' });
      expect({ status, problems }).toEqual({
        status: 2,
        problems: [expect.stringMatching(/^ROLE must be one of /)],
      });
    } finally {
      await rm(join(folder, '.env'));
    }
  });
});

describe('a start that is not possible right now ends with status 1, whatever was started already', () => {
  let database: TestDatabase;
  const taken = createServer();

  beforeAll(async () => {
    database = await createTestDatabase();
    taken.listen(0, '127.0.0.1');
    await once(taken, 'listening');
  });
  afterAll(async () => {
    taken.close();
    await database.drop();
  });

  test.each(['MQTT_PORT', 'MQTT_WS_PORT', 'API_PORT', 'METRICS_PORT'])('as %s is taken', async (name) => {
    const { port } = taken.address() as AddressInfo;
    const { status, stdout } = await start({
      DATABASE_URL: database.url,
      JWT_SECRET: 's',
      [name]: String(port),
    });
    expect(status).toBe(1);
    const fatal = stdout.split('\n').find((line) => line.includes('"level":60')) ?? '{}';
    expect(JSON.parse(fatal)).toMatchObject({ msg: 'could not start', err: { code: 'EADDRINUSE', port } });
  });

  test('as the database does not answer, without its password', async () => {
    const { port } = taken.address() as AddressInfo;
    taken.on('connection', (socket) => socket.destroy());
    const url = `postgres://fleet:hunter2@127.0.0.1:${port}/fleet`;
    const { status, stdout, stderr } = await start({ DATABASE_URL: url, JWT_SECRET: 's' });
    expect(status).toBe(1);
    expect(stdout).toContain('could not start');
    expect(stdout + stderr).not.toContain('hunter2');
  });
});
