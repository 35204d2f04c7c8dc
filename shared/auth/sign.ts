import { createSecretKey, type KeyObject, randomUUID } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { identityFrom, type Role } from './identity.ts';
import { embeddedSecret } from './secret.ts';
import { chooseKey, type JwtSettings } from './settings.ts';

export type TokenRequest = {
  sub: string;
  role: Role;
  /** Required for VIEWER. */
  trips?: readonly string[];
  /** Whole seconds from now. */
  ttlSeconds: number;
};

export type TokenSigner = {
  /**
   * A signed HS256 token with a `jti` of its own.
   * @throws NoSigningKeyError when this process can only check tokens
   * @throws TokenError `claims` when the verifier would refuse the token
   */
  sign(request: TokenRequest): string;
};

/** Only the identity provider has the private key: tokens can't be made here. */
export class NoSigningKeyError extends Error {
  constructor(variable: string) {
    super(
      `${variable} is set, so tokens must come from the identity provider that holds the private key; they can't be made here`,
    );
    this.name = 'NoSigningKeyError';
  }
}

/** @throws KeySetupError when the secret can't be had as configured */
export async function createTokenSigner(settings: JwtSettings): Promise<TokenSigner> {
  const choice = chooseKey(settings);
  switch (choice.kind) {
    case 'secret':
      return secretSigner(choice.secret, settings);
    case 'embedded-secret':
      return secretSigner(await embeddedSecret(choice.dataDir), settings);
    case 'public-key-file':
      return refusingSigner('JWT_PUBLIC_KEY_FILE');
    case 'jwks':
      return refusingSigner('JWT_JWKS_URL');
  }
}

function secretSigner(secret: string, { issuer, audience }: JwtSettings): TokenSigner {
  const key: KeyObject = createSecretKey(secret, 'utf8');
  return {
    sign({ sub, role, trips, ttlSeconds }) {
      const iat = Math.floor(Date.now() / 1000);
      const payload = {
        sub,
        role,
        iat,
        exp: iat + ttlSeconds,
        jti: randomUUID(),
        ...(trips === undefined ? {} : { trips }),
        ...(issuer === undefined ? {} : { iss: issuer }),
        ...(audience === undefined ? {} : { aud: audience }),
      };
      identityFrom(payload);
      return jwt.sign(payload, key, { algorithm: 'HS256' });
    },
  };
}

const refusingSigner = (variable: string): TokenSigner => ({
  sign() {
    throw new NoSigningKeyError(variable);
  },
});
