import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTokenVerifier } from '../../shared/auth/verify.ts';
import { spawn } from '../support/child-process.ts';
import { compiled } from '../support/platform.ts';

const secret = 'thirty-two bytes and then a few more';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fleetcast-token-'));
});

afterAll(() => rm(directory, { recursive: true }));

/** Runs the command in an empty directory and environment. */
async function token(args: readonly string[], env: Record<string, string> = { JWT_SECRET: secret }) {
  const child = spawn(process.execPath, [compiled('tools/token.ts'), ...args], {
    cwd: directory,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const status = new Promise<number | null>((done) => child.once('close', done));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { stdout, problems: stderr.split('\n').filter((line) => line !== ''), status: await status };
}

const verified = async (jwt: string, key = secret) =>
  (await createTokenVerifier({ secret: key, dataDir: directory })).verify(jwt.trimEnd());

describe('npm run token', () => {
  test('prints one token and nothing else', async () => {
    const { stdout, problems, status } = await token(['--role', 'DRIVER', '--sub', 'driver-1']);
    expect({ problems, status }).toEqual({ problems: [], status: 0 });
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const identity = await verified(stdout);
    expect(identity).toMatchObject({ sub: 'driver-1', role: 'DRIVER', trips: [] });
    expect(identity.expiresAt / 1000 - Date.now() / 1000).toBeGreaterThan(3_500);
    expect(identity.expiresAt / 1000 - Date.now() / 1000).toBeLessThanOrEqual(3_600);
  });

  test('of a viewer of two trips, for 30 minutes', async () => {
    const { stdout } = await token([
      '--role=VIEWER',
      '--sub=guest',
      '--trip=t1',
      '--trip',
      't2',
      '--ttl',
      '30m',
    ]);
    const identity = await verified(stdout);
    expect(identity).toMatchObject({ role: 'VIEWER', trips: ['t1', 't2'] });
    expect(identity.expiresAt / 1000 - Date.now() / 1000).toBeLessThanOrEqual(1_800);
  });

  test('with the secret of embedded mode, which it makes', async () => {
    const { stdout } = await token(['--role', 'RIDER', '--sub', 'rider-1'], {});
    const verifier = await createTokenVerifier({ dataDir: join(directory, 'data') });
    expect(await verifier.verify(stdout.trimEnd())).toMatchObject({ role: 'RIDER' });
  });

  test('.env counts, and the environment more', async () => {
    await writeFile(join(directory, '.env'), 'JWT_SECRET=the secret that stands in the file\n');
    try {
      const args = ['--role', 'DRIVER', '--sub', 'd'];
      expect(
        await verified((await token(args, {})).stdout, 'the secret that stands in the file'),
      ).toBeTruthy();
      expect(await verified((await token(args)).stdout, secret)).toBeTruthy();
    } finally {
      await rm(join(directory, '.env'));
    }
  });

  const refused: [string, string[], RegExp[]][] = [
    ['nothing', [], [/--sub is required/, /--role is required/]],
    ['an unknown role', ['--role', 'ADMIN', '--sub', 'a'], [/--role must be one of DRIVER/]],
    ['a bad ttl', ['--role', 'DRIVER', '--sub', 'a', '--ttl', 'soon'], [/--ttl must/]],
    ['an endless ttl', ['--role', 'DRIVER', '--sub', 'a', '--ttl', '999999999d'], [/--ttl is too long/]],
    [
      'all of it',
      ['--role', 'VIEWER', '--sub', '#', '--ttl', '-'],
      [/--ttl must/, /--sub must/, /--trip is required/],
    ],
    ['an unknown option', ['--roll', 'DRIVER'], [/unknown option '--roll'/]],
    ['an argument too many', ['DRIVER'], [/too many arguments/]],
  ];

  test.each(refused)('refuses %s with a line for each problem', async (_name, args, lines) => {
    const { stdout, problems, status } = await token(args);
    expect({ stdout, status }).toEqual({ stdout: '', status: 2 });
    expect(problems).toEqual(lines.map((line) => expect.stringMatching(line)));
  });

  test('where only a public key is at hand, it says who makes tokens', async () => {
    const { stdout, problems, status } = await token(['--role', 'DRIVER', '--sub', 'a'], {
      JWT_JWKS_URL: 'https://id.example/jwks.json',
    });
    expect({ stdout, status }).toEqual({ stdout: '', status: 2 });
    expect(problems).toEqual([expect.stringMatching(/JWT_JWKS_URL.*identity provider/)]);
  });

  test('a bad configuration is told in its own words', async () => {
    const { problems, status } = await token(['--role', 'DRIVER', '--sub', 'a'], { API_PORT: 'web' });
    expect(status).toBe(2);
    expect(problems).toEqual([expect.stringMatching(/API_PORT/)]);
  });
});
