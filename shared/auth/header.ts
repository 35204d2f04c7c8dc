import { TokenError } from './token-error.ts';

/** What a token says about its signature. Nothing in it is trusted: it only selects among keys that are already known. */
export type TokenHeader = {
  alg: unknown;
  kid: string | undefined;
};

/** RFC 7515, 3.1: three base64url parts. The last may be empty here, `alg: none` is refused by its name. */
const compactForm = /^([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.([A-Za-z0-9_-]*)$/;

/**
 * `jwk`, `jku`, `x5u`, `x5c`: a token that brings the key to check it with (RFC 7515, 4.1). `crit`: extensions that
 * whoever does not know them must refuse (4.1.11); none is known here.
 */
const refusedParameters = ['jwk', 'jku', 'x5u', 'x5c', 'crit'] as const;

/** @throws TokenError `malformed` when it is no compact JWS; `algorithm` when it brings a key of its own */
export function readHeader(token: string): TokenHeader {
  const [, header, signature] = compactForm.exec(token) ?? [];
  if (header === undefined || signature === undefined || !isCanonical(signature)) throw malformed();
  const fields = parseObject(header);
  const refused = refusedParameters.filter((name) => fields[name] !== undefined);
  if (refused.length > 0)
    throw new TokenError('algorithm', `The token's header must not have ${refused.join(', ')}`);
  if (fields.kid !== undefined && typeof fields.kid !== 'string') throw malformed();
  return { alg: fields.alg, kid: fields.kid };
}

const malformed = () => new TokenError('malformed', 'The token is not a well-formed JWT');

/** The unused bits of the last character are zero: or one signature could be written in several ways. */
const isCanonical = (text: string) => Buffer.from(text, 'base64url').toString('base64url') === text;

function parseObject(part: string): Record<string, unknown> {
  const value = parseJson(Buffer.from(part, 'base64url').toString('utf8'));
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed();
  return value as Record<string, unknown>;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the token: it goes no further.
    throw malformed();
  }
}
