import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { types } from 'node:util';
import { publicVerificationKey, type VerificationKey } from './verification-key.ts';

/** What of a JSON Web Key is looked at here (RFC 7517, section 4). */
type KeySetEntry = JsonWebKey & { kid?: unknown; use?: unknown; alg?: unknown };

/** A login waits for it, and CONNECT has a timeout of its own. */
const TIMEOUT_MS = 5_000;

/** Some hundred keys with certificates. More is no key set, and it would be read into memory. */
const MAX_BYTES = 1_048_576;

/**
 * One fetch of a key set: its usable keys by `kid`. Left out are keys without `kid`, for another use than `sig`,
 * with another `alg` than their type has here, private ones, and those too small.
 * @throws Error when the server does not answer in time, or with something else, or no key is usable
 */
export async function fetchKeySet(url: string): Promise<Map<string, VerificationKey>> {
  const keys = new Map<string, VerificationKey>();
  for (const entry of await keySetEntries(url)) {
    const { kid, use, alg } = entry;
    if (typeof kid !== 'string' || keys.has(kid) || (use !== undefined && use !== 'sig')) continue;
    const key = publicKeyOf(entry);
    const found = key && publicVerificationKey(key);
    if (found === undefined || 'problem' in found) continue;
    if (alg === undefined || alg === found.algorithm) keys.set(kid, found);
  }
  if (keys.size === 0) throw new Error(`The key set at ${url} has no RSA or EC P-256 signing key with a kid`);
  return keys;
}

/** undefined: a private or symmetric key, which has no business in a public set, or none at all. */
function publicKeyOf(entry: KeySetEntry): KeyObject | undefined {
  if (entry.kty === 'oct' || entry.d !== undefined) return undefined;
  try {
    return createPublicKey({ key: entry, format: 'jwk' });
  } catch {
    return undefined;
  }
}

async function keySetEntries(url: string): Promise<KeySetEntry[]> {
  try {
    const { keys } = await fetchJson(url);
    if (!Array.isArray(keys)) throw new Error('the answer is no key set');
    return keys.filter((entry) => typeof entry === 'object' && entry !== null);
  } catch (error) {
    const { message, cause } = error as Error;
    // fetch says only "fetch failed", and why in its cause.
    const why = types.isNativeError(cause) ? `${message}: ${cause.message}` : message;
    throw new Error(`The key set at ${url} can't be had: ${why}`, { cause: error });
  }
}

async function fetchJson(url: string): Promise<{ keys?: unknown }> {
  const response = await fetch(url, {
    headers: { accept: 'application/jwk-set+json, application/json' },
    // Keys come from the configured address and from nowhere else.
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`the answer has status ${response.status}`);
  }
  return ((JSON.parse(await boundedText(response)) as unknown) ?? {}) as { keys?: unknown };
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_BYTES) throw new Error(`the answer is larger than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
