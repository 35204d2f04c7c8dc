import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { embeddedSecret } from '../../shared/auth/secret.ts';
import { KeySetupError } from '../../shared/auth/settings.ts';
import { createTokenSigner } from '../../shared/auth/sign.ts';
import { createTokenVerifier } from '../../shared/auth/verify.ts';
import { spawn } from '../support/child-process.ts';

let parent: string;
let dataDir: string;
let path: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'fleetcast-secret-'));
  dataDir = join(parent, 'not', 'yet', 'there');
  path = join(dataDir, 'jwt-secret');
});

afterEach(() => rm(parent, { recursive: true }));

const modeOf = async (file: string) => (await stat(file)).mode & 0o777;

describe('the embedded secret', () => {
  test('is 32 random bytes in a file of mode 0600 in a directory of mode 0700', async () => {
    const secret = await embeddedSecret(dataDir);
    expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
    expect(await modeOf(path)).toBe(0o600);
    expect(await modeOf(dataDir)).toBe(0o700);
    expect(await readdir(dataDir)).toEqual(['jwt-secret']);
  });

  test('stays the same', async () => {
    expect(await embeddedSecret(dataDir)).toBe(await embeddedSecret(dataDir));
  });

  test('is another in another directory', async () => {
    expect(await embeddedSecret(dataDir)).not.toBe(await embeddedSecret(join(parent, 'other')));
  });

  test('a file that others may read is narrowed', async () => {
    const secret = await embeddedSecret(dataDir);
    await chmod(path, 0o644);
    expect(await embeddedSecret(dataDir)).toBe(secret);
    expect(await modeOf(path)).toBe(0o600);
  });

  test('the mode of a directory that is there is left alone', async () => {
    await mkdir(dataDir, { recursive: true, mode: 0o755 });
    await embeddedSecret(dataDir);
    expect(await modeOf(dataDir)).toBe(0o755);
  });

  test.each(['', '\n', ' \n'])('an empty file (%j) is an error that names it', async (content) => {
    await mkdir(dataDir, { recursive: true });
    await writeFile(path, content);
    const secret = embeddedSecret(dataDir);
    await expect(secret).rejects.toBeInstanceOf(KeySetupError);
    await expect(secret).rejects.toThrow(`${path} is empty`);
    expect(await readFile(path, 'utf8')).toBe(content);
  });

  test('what is no file is an error that names it', async () => {
    await mkdir(path, { recursive: true });
    const secret = embeddedSecret(dataDir);
    await expect(secret).rejects.toBeInstanceOf(KeySetupError);
    await expect(secret).rejects.toThrow(path);
  });

  test('a directory that can not be made is an error that names it', async () => {
    await writeFile(join(parent, 'not'), 'a file in the way');
    await expect(embeddedSecret(dataDir)).rejects.toBeInstanceOf(KeySetupError);
  });

  test('a token of one process is good in another', async () => {
    const token = (await createTokenSigner({ dataDir })).sign({ sub: 'd', role: 'DRIVER', ttlSeconds: 60 });
    expect(await (await createTokenVerifier({ dataDir })).verify(token)).toMatchObject({ sub: 'd' });
  });
});

describe('a race for the first secret', () => {
  test('within a process', async () => {
    const secrets = await Promise.all(Array.from({ length: 50 }, () => embeddedSecret(dataDir)));
    expect(new Set(secrets).size).toBe(1);
    expect(await readdir(dataDir)).toEqual(['jwt-secret']);
  });

  test('of processes', async () => {
    const module = pathToFileURL('shared/auth/secret.ts').href;
    // All begin at one moment, once all of them have started.
    const script = `
      const { embeddedSecret } = await import(${JSON.stringify(module)});
      process.stdout.write('ready');
      await new Promise((resolve) => process.stdin.once('data', resolve));
      process.stdout.write(await embeddedSecret(${JSON.stringify(dataDir)}));
      process.exit();
    `;
    const children = Array.from({ length: 6 }, () =>
      spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
        stdio: ['pipe', 'pipe', 'inherit'],
      }),
    );
    await Promise.all(children.map((child) => new Promise((resolve) => child.stdout.once('data', resolve))));
    const outputs = children.map((child) => text(child.stdout));
    for (const child of children) child.stdin.write('go');
    const secrets = await Promise.all(outputs);
    expect(new Set(secrets).size).toBe(1);
    expect(secrets[0]).toBe((await readFile(path, 'utf8')).trim());
    expect(await readdir(dataDir)).toEqual(['jwt-secret']);
  });
});
