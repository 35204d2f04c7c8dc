import jwt from 'jsonwebtoken';
import { readHeader } from './header.ts';
import { type Identity, identityFrom } from './identity.ts';
import { createKeySource } from './keys.ts';
import type { JwtSettings } from './settings.ts';
import { TokenError } from './token-error.ts';
import type { KeySource, VerificationKey } from './verification-key.ts';

export type TokenVerifier = {
  /** @throws TokenError and nothing else */
  verify(token: string): Promise<Identity>;
};

/** An HTTP server takes about as much in all headers together (Node: 16 KiB): no token needs more. */
export const MAX_TOKEN_LENGTH = 8192;

/** @throws KeySetupError when the key can't be had as configured */
export async function createTokenVerifier(
  settings: JwtSettings,
  onKeyProblem?: (error: Error) => void,
): Promise<TokenVerifier> {
  return tokenVerifier(await createKeySource(settings, onKeyProblem), settings);
}

/** A verifier over keys that are at hand. `iss` and `aud` are checked when set. */
export function tokenVerifier(
  keys: KeySource,
  expected: Pick<JwtSettings, 'issuer' | 'audience'>,
): TokenVerifier {
  return {
    async verify(token) {
      if (token.length > MAX_TOKEN_LENGTH)
        throw new TokenError('too-long', `The token is longer than ${MAX_TOKEN_LENGTH} characters`);
      const { alg, kid } = readHeader(token);
      const key = await keys.find(kid);
      if (alg !== key.algorithm)
        throw new TokenError('algorithm', `The token must be signed with ${key.algorithm}`);
      return identityFrom(verifiedPayload(token, key, expected));
    },
  };
}

function verifiedPayload(
  token: string,
  { key, algorithm }: VerificationKey,
  { issuer, audience }: Pick<JwtSettings, 'issuer' | 'audience'>,
): unknown {
  try {
    return jwt.verify(token, key, {
      algorithms: [algorithm],
      // With its fraction: a token ends at `exp`, not at the end of that second.
      clockTimestamp: Date.now() / 1000,
      ...(issuer === undefined ? {} : { issuer }),
      ...(audience === undefined ? {} : { audience }),
    });
  } catch (error) {
    throw refusal(error);
  }
}

/** Own words for what jsonwebtoken says: its messages may quote the token, so they are not passed on, also not as cause. */
function refusal(error: unknown): TokenError {
  if (error instanceof jwt.TokenExpiredError) return new TokenError('expired', 'The token has expired');
  if (error instanceof jwt.NotBeforeError)
    return new TokenError('not-yet-valid', 'The token is not valid yet');
  const message = error instanceof Error ? error.message : '';
  if (message.startsWith('jwt issuer')) return new TokenError('claims', "The token's iss is not accepted");
  if (message.startsWith('jwt audience')) return new TokenError('claims', "The token's aud is not accepted");
  if (/^invalid (exp|nbf) value/.test(message))
    return new TokenError('claims', "The token's exp and nbf must be numbers");
  if (error instanceof SyntaxError)
    return new TokenError('malformed', "The token's payload is not well-formed JSON");
  return new TokenError('signature', "The token's signature is not valid");
}
