import type { KeyObject } from 'node:crypto';

export type SigningAlgorithm = 'HS256' | 'RS256' | 'ES256';

/** A key and the only algorithm that it verifies. Made once: parsing a PEM costs more than verifying with it. */
export type VerificationKey = {
  key: KeyObject;
  algorithm: SigningAlgorithm;
};

/** Where the key of a token comes from. */
export type KeySource = {
  /**
   * The key for a token whose header has this `kid`.
   * @throws TokenError `unknown-key` or `unavailable`
   */
  find(kid: string | undefined): VerificationKey | Promise<VerificationKey>;
};

/** RFC 7518, 3.3: RS256 with a smaller key must not be used. */
const MIN_RSA_BITS = 2048;

/** Why a public key can't verify tokens. */
export type UnusableKey = { problem: string };

/**
 * A public key with the algorithm that its type fixes. The token has no say in it: or an attacker would sign HS256
 * with the public key as the secret.
 */
export function publicVerificationKey(key: KeyObject): VerificationKey | UnusableKey {
  const details = key.asymmetricKeyDetails;
  switch (key.asymmetricKeyType) {
    case 'rsa': {
      const bits = details?.modulusLength ?? 0;
      if (bits < MIN_RSA_BITS)
        return { problem: `is an RSA key of ${bits} bits, at least ${MIN_RSA_BITS} are needed` };
      return { key, algorithm: 'RS256' };
    }
    case 'ec':
      // OpenSSL's name of P-256.
      if (details?.namedCurve !== 'prime256v1')
        return {
          problem: `is an EC key on ${details?.namedCurve ?? 'an unnamed curve'}, it must be on P-256`,
        };
      return { key, algorithm: 'ES256' };
    default:
      return { problem: `is a key of type ${key.asymmetricKeyType ?? key.type}, it must be RSA or EC P-256` };
  }
}
