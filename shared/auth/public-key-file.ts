import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { KeySetupError } from './settings.ts';
import { publicVerificationKey, type VerificationKey } from './verification-key.ts';

/**
 * The key of JWT_PUBLIC_KEY_FILE: a PEM public key (or a certificate that holds one).
 * @throws KeySetupError when the file can't be read or holds no public key that fits RS256 or ES256
 */
export async function readPublicKeyFile(path: string): Promise<VerificationKey> {
  const found = publicVerificationKey(parse(path, await read(path)));
  if ('problem' in found) throw new KeySetupError(`JWT_PUBLIC_KEY_FILE: ${path} ${found.problem}`);
  return found;
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new KeySetupError(`JWT_PUBLIC_KEY_FILE: ${path} can't be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function parse(path: string, pem: string): KeyObject {
  // createPublicKey would derive the public half in silence, and the private one would stay where it must not be.
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem))
    throw new KeySetupError(`JWT_PUBLIC_KEY_FILE: ${path} holds a private key, give only its public key`);
  try {
    return createPublicKey(pem);
  } catch (error) {
    throw new KeySetupError(`JWT_PUBLIC_KEY_FILE: ${path} holds no PEM public key`, { cause: error });
  }
}
