import { fetchKeySet } from './jwks-fetch.ts';
import { KeySetupError } from './settings.ts';
import { TokenError } from './token-error.ts';
import type { KeySource, VerificationKey } from './verification-key.ts';

export type JwksOptions = {
  /** Hears of every fetch that fails. By default a process warning. */
  onProblem?: (error: Error) => void;
  /** Milliseconds that only move forward: a clock that is set must not stop the fetching. */
  now?: () => number;
};

/** How long a withdrawn key may go on being accepted while the server answers. */
const FRESH_MS = 10 * 60_000;

/** Between two fetches. A token with a new key is refused for no longer than this after the key is published. */
const PAUSE_MS = 5_000;

/** Without any answer for this long the keys end: whoever holds the server down must not keep a stolen key alive. */
const TRUSTED_MS = 24 * 3_600_000;

/**
 * Keys of a JSON Web Key Set, as a whole set in memory:
 *
 * - A known `kid` is answered from memory. When the set has become stale, the first one to ask waits for a fresh set,
 *   so that a withdrawn key ends; if that fails, the old set goes on and new attempts run in the background.
 * - An unknown `kid` (a new key, or an invented one) waits for a fresh set, but for no more than one attempt per
 *   pause, whoever asks: nobody can make this process flood the identity provider.
 * - A `kid` is only ever looked up in the set. It is part of no address, and an unknown one is not remembered.
 *
 * @throws KeySetupError when `url` is no address that can be fetched
 */
export function createJwksSource(
  url: string,
  { onProblem = (error) => process.emitWarning(error), now = () => performance.now() }: JwksOptions = {},
): KeySource {
  checkAddress(url);
  let keys: ReadonlyMap<string, VerificationKey> = new Map();
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let attemptedAt = Number.NEGATIVE_INFINITY;
  let failure: Error | undefined;
  let running: Promise<void> | undefined;

  async function refresh(): Promise<void> {
    try {
      keys = await fetchKeySet(url);
      fetchedAt = now();
      failure = undefined;
    } catch (error) {
      failure = error as Error;
      onProblem(failure);
    } finally {
      attemptedAt = now();
      running = undefined;
    }
  }

  /** Joins the attempt under way, or begins one when the pause is over. Never rejects. */
  function refreshOncePerPause(): Promise<void> {
    if (running === undefined && now() - attemptedAt >= PAUSE_MS) running = refresh();
    return running ?? Promise.resolve();
  }

  const age = () => now() - fetchedAt;
  const known = (kid: string) => (age() < TRUSTED_MS ? keys.get(kid) : undefined);

  async function findAfterRefresh(kid: string): Promise<VerificationKey> {
    await refreshOncePerPause();
    const key = known(kid);
    if (key !== undefined) return key;
    if (failure !== undefined)
      throw new TokenError(
        'unavailable',
        "The token can't be checked now: the keys of its issuer are out of reach",
        { cause: failure },
      );
    throw new TokenError('unknown-key', 'The token names a key (kid) that its issuer does not have');
  }

  return {
    find(kid) {
      if (kid === undefined) throw new TokenError('unknown-key', 'The token names no key (kid)');
      const key = known(kid);
      if (key !== undefined && age() < FRESH_MS) return key;
      if (key !== undefined && failure !== undefined) {
        // The server is known to be down: nobody waits for it.
        void refreshOncePerPause();
        return key;
      }
      return findAfterRefresh(kid);
    },
  };
}

function checkAddress(url: string): void {
  const address = URL.canParse(url) ? new URL(url) : undefined;
  if (address === undefined || !['http:', 'https:'].includes(address.protocol))
    throw new KeySetupError('JWT_JWKS_URL must be an http or https address');
  // fetch refuses such an address, and it would stand in logs.
  if (address.username !== '' || address.password !== '')
    throw new KeySetupError('JWT_JWKS_URL must not contain a user name or password');
}
