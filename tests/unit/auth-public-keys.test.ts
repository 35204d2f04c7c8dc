import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createKeySource } from '../../shared/auth/keys.ts';
import { chooseKey, KeySetupError } from '../../shared/auth/settings.ts';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fleetcast-keys-'));
});

afterAll(() => rm(directory, { recursive: true }));

async function keySourceOf(content: string) {
  const publicKeyFile = join(directory, 'key.pem');
  await writeFile(publicKeyFile, content);
  return createKeySource({ publicKeyFile, dataDir: directory });
}

const publicPem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }) as string;

describe('the algorithm is fixed by the kind of key', () => {
  test('a secret: HS256', async () => {
    const source = await createKeySource({ secret: 'a secret of many, many characters', dataDir: directory });
    expect(await source.find(undefined)).toMatchObject({ algorithm: 'HS256' });
  });

  test('RSA of 2048 bits: RS256', async () => {
    const source = await keySourceOf(
      publicPem(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey),
    );
    expect(await source.find('whatever')).toMatchObject({ algorithm: 'RS256' });
  });

  test('EC P-256: ES256', async () => {
    const source = await keySourceOf(publicPem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey));
    expect(await source.find(undefined)).toMatchObject({ algorithm: 'ES256' });
  });
});

describe('a public key file that does not fit stops the start and is named', () => {
  const rsaPair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const cases: [string, string, RegExp][] = [
    [
      'RSA of 1024 bits',
      publicPem(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey),
      /1024 bits/,
    ],
    ['RSA-PSS', publicPem(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey), /rsa-pss/],
    ['EC P-384', publicPem(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey), /secp384r1/],
    [
      'EC secp256k1',
      publicPem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey),
      /secp256k1/,
    ],
    ['Ed25519', publicPem(generateKeyPairSync('ed25519').publicKey), /ed25519/],
    ['a private key', rsaPair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, /private key/],
    ['nothing', '', /no PEM public key/],
    ['something else', 'not a key', /no PEM public key/],
  ];

  test.each(cases)('%s', async (_name, content, message) => {
    const source = keySourceOf(content);
    await expect(source).rejects.toBeInstanceOf(KeySetupError);
    await expect(source).rejects.toThrow(message);
    await expect(source).rejects.toThrow(/JWT_PUBLIC_KEY_FILE/);
  });

  test('a file that is not there', async () => {
    const source = createKeySource({ publicKeyFile: join(directory, 'none.pem'), dataDir: directory });
    await expect(source).rejects.toThrow(/JWT_PUBLIC_KEY_FILE.*ENOENT/);
  });
});

describe('settings', () => {
  test('two kinds of key are refused', () => {
    expect(() => chooseKey({ secret: 's', publicKeyFile: 'key.pem', dataDir: '.' })).toThrow(KeySetupError);
  });

  test.each(['ftp://example.com/jwks', 'no address', 'https://user:pass@example.com/jwks'])(
    '%s is no address of a key set',
    async (jwksUrl) => {
      await expect(createKeySource({ jwksUrl, dataDir: '.' })).rejects.toThrow(/JWT_JWKS_URL/);
    },
  );
});
