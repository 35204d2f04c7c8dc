/** Which key makes and checks tokens, and what else they must carry. At most one of the first three is set. */
export type JwtSettings = {
  /** JWT_SECRET: HS256. */
  secret?: string | undefined;
  /** JWT_PUBLIC_KEY_FILE: path of a PEM file; RSA: RS256, EC P-256: ES256. */
  publicKeyFile?: string | undefined;
  /** JWT_JWKS_URL: http(s) address of a JSON Web Key Set (RFC 7517). */
  jwksUrl?: string | undefined;
  /** JWT_ISSUER: the only `iss` that is accepted, when set. */
  issuer?: string | undefined;
  /** JWT_AUDIENCE: must be, or be among, `aud`, when set. */
  audience?: string | undefined;
  /** DATA_DIR: holds the embedded secret when none of the first three is set. */
  dataDir: string;
};

export type KeyChoice =
  | { kind: 'secret'; secret: string }
  | { kind: 'public-key-file'; path: string }
  | { kind: 'jwks'; url: string }
  | { kind: 'embedded-secret'; dataDir: string };

/** The keys can't be set up as configured. `message` names the variable or the file and holds no key. */
export class KeySetupError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'KeySetupError';
  }
}

/**
 * The one kind of key that the settings name. Two would let a token choose between them.
 * @throws KeySetupError when more than one is set
 */
export function chooseKey({ secret, publicKeyFile, jwksUrl, dataDir }: JwtSettings): KeyChoice {
  const choices: KeyChoice[] = [];
  if (secret !== undefined) choices.push({ kind: 'secret', secret });
  if (publicKeyFile !== undefined) choices.push({ kind: 'public-key-file', path: publicKeyFile });
  if (jwksUrl !== undefined) choices.push({ kind: 'jwks', url: jwksUrl });
  const [choice, another] = choices;
  if (another !== undefined)
    throw new KeySetupError('JWT_SECRET, JWT_PUBLIC_KEY_FILE and JWT_JWKS_URL exclude each other: set one');
  return choice ?? { kind: 'embedded-secret', dataDir };
}
