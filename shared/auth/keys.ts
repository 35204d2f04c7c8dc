import { createSecretKey } from 'node:crypto';
import { createJwksSource } from './jwks.ts';
import { readPublicKeyFile } from './public-key-file.ts';
import { embeddedSecret } from './secret.ts';
import { chooseKey, type JwtSettings } from './settings.ts';
import type { KeySource, VerificationKey } from './verification-key.ts';

/**
 * Where the keys come from that the settings name.
 * @param onKeyProblem hears of JWKS fetches that fail while cached keys still do
 * @throws KeySetupError
 */
export async function createKeySource(
  settings: JwtSettings,
  onKeyProblem?: (error: Error) => void,
): Promise<KeySource> {
  const choice = chooseKey(settings);
  switch (choice.kind) {
    case 'secret':
      return oneKey(secretKey(choice.secret));
    case 'embedded-secret':
      return oneKey(secretKey(await embeddedSecret(choice.dataDir)));
    case 'public-key-file':
      return oneKey(await readPublicKeyFile(choice.path));
    case 'jwks':
      return createJwksSource(choice.url, onKeyProblem === undefined ? {} : { onProblem: onKeyProblem });
  }
}

const secretKey = (secret: string): VerificationKey => ({
  key: createSecretKey(secret, 'utf8'),
  algorithm: 'HS256',
});

/** One key checks every token, whatever `kid` it names. */
const oneKey = (key: VerificationKey): KeySource => ({ find: () => key });
