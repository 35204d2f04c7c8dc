import jwt from 'jsonwebtoken';
import { type JwtSettings, KeySetupError } from '../../shared/auth/settings.ts';
import { createTokenSigner, NoSigningKeyError, type TokenSigner } from '../../shared/auth/sign.ts';
import { topicFor } from '../../shared/topics.ts';
import { UsageError } from '../shared/usage-error.ts';
import { driverIds } from './driver-ids.ts';
import type { PoolSeat } from './sender-pool.ts';

export type IdentityOptions = {
  token: string | undefined;
  driver: string | undefined;
  driverPrefix: string;
};

type Claims = { sub: string; role: string };

/** The claims of a token, unchecked: checking is the broker's part. undefined: it is no JWT. */
function claimsOf(token: string): Claims | undefined {
  const payload = jwt.decode(token);
  if (payload === null || typeof payload === 'string') return undefined;
  const { sub, role } = payload;
  return typeof sub === 'string' && typeof role === 'string' ? { sub, role } : undefined;
}

/**
 * The driver id of every track. A DRIVER's token sends for that driver only.
 * @throws UsageError when the options don't go with the number of tracks or the token
 */
export function assignDrivers(tracks: readonly string[], options: IdentityOptions): Map<string, string> {
  const claims = options.token === undefined ? undefined : claimsOf(options.token);
  const own = claims?.role === 'DRIVER' ? claims.sub : undefined;
  const problems: string[] = [];
  if (tracks.length > 1 && options.driver !== undefined)
    problems.push(`--driver is for one track, the file has ${tracks.length}: use --driver-prefix`);
  if (tracks.length > 1 && own !== undefined)
    problems.push(
      `the token is that of driver ${own}, the file has ${tracks.length} tracks: use one of a SERVICE`,
    );
  if (own !== undefined && options.driver !== undefined && options.driver !== own)
    problems.push(`--driver is ${options.driver}, but the token is that of driver ${own}`);
  if (problems.length > 0) throw new UsageError(problems);

  const only = options.driver ?? own;
  return only === undefined
    ? driverIds(tracks, options.driverPrefix)
    : new Map(tracks.map((track) => [track, only]));
}

/** The connection for a token that was given: one for all tracks. */
export function sharedSeat(token: string, tracks: readonly string[]): PoolSeat {
  const sub = claimsOf(token)?.sub;
  return { token, errorsTopic: sub === undefined ? undefined : topicFor('driverErrors', sub), tracks };
}

async function signerFor(settings: JwtSettings): Promise<TokenSigner> {
  try {
    return await createTokenSigner(settings);
  } catch (error) {
    if (error instanceof KeySetupError) throw new UsageError([error.message]);
    throw error;
  }
}

/**
 * A connection for every driver, each with a token of its own that holds for `ttlSeconds`.
 * @throws UsageError when tokens can't be made with this configuration
 */
export async function seatPerDriver(
  drivers: ReadonlyMap<string, string>,
  settings: JwtSettings,
  ttlSeconds: number,
): Promise<PoolSeat[]> {
  const signer = await signerFor(settings);
  try {
    return [...drivers].map(([track, sub]) => ({
      token: signer.sign({ sub, role: 'DRIVER', ttlSeconds }),
      errorsTopic: topicFor('driverErrors', sub),
      tracks: [track],
    }));
  } catch (error) {
    if (error instanceof NoSigningKeyError) throw new UsageError([`${error.message}: give one with --token`]);
    throw error;
  }
}
