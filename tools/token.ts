import { Command, CommanderError } from 'commander';
import { claimProblems, type Role, roles } from '../shared/auth/identity.ts';
import { KeySetupError } from '../shared/auth/settings.ts';
import { createTokenSigner, NoSigningKeyError, type TokenRequest } from '../shared/auth/sign.ts';
import { parseTtl } from '../shared/auth/ttl.ts';
import { ConfigError, readConfig } from '../shared/config.ts';
import { loadEnvFile } from '../shared/env-file.ts';

type Options = { role?: string; sub?: string; trip?: string[]; ttl: string };

/** Exit status when arguments or configuration are wrong. */
const EXIT_USAGE = 2;

/** Arguments that can't become a token: one line for each problem. */
class ArgumentsError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ArgumentsError';
    this.problems = problems;
  }
}

function parseArguments(argv: readonly string[]): Options {
  return new Command('token')
    .description(
      'Prints one signed JWT on stdout, made with the secret of the configuration (environment, .env)',
    )
    .option('--role <role>', `required: ${roles.join(', ')}`)
    .option('--sub <id>', 'required: user id, 1 to 64 characters of A-Z a-z 0-9 _ -')
    .option('--trip <id>', 'trip that a VIEWER may follow; repeat it for more', collect)
    .option('--ttl <duration>', 'how long the token is valid: 90s, 30m, 1h, 7d, or seconds', '1h')
    .showSuggestionAfterError(false)
    .exitOverride()
    .parse([...argv], { from: 'user' })
    .opts<Options>();
}

const collect = (value: string, previous: string[] = []) => [...previous, value];

const optionOfClaim: Record<string, string> = {
  sub: '--sub',
  role: '--role',
  trips: '--trip',
};

/** @throws ArgumentsError */
function tokenRequest({ role, sub, trip, ttl }: Options): TokenRequest {
  const problems = new Set<string>();
  let ttlSeconds = 0;
  try {
    ttlSeconds = parseTtl(ttl);
  } catch (error) {
    problems.add(`--ttl ${(error as RangeError).message}`);
  }
  const trips = trip === undefined ? {} : { trips: trip };
  const claims = { sub, role, exp: Date.now() / 1000 + ttlSeconds, ...trips };
  for (const { path, message } of claimProblems(claims)) {
    const [, claim = ''] = path.split('/');
    problems.add(claim === 'exp' ? '--ttl is too long' : `${optionOfClaim[claim] ?? claim} ${message}`);
  }
  if (problems.size > 0) throw new ArgumentsError([...problems]);
  return { sub: sub as string, role: role as Role, ...trips, ttlSeconds };
}

/** The lines to show for an error that the caller can put right; undefined: it is ours. */
function problemsOf(error: unknown): readonly string[] | undefined {
  if (error instanceof ArgumentsError || error instanceof ConfigError) return error.problems;
  if (error instanceof KeySetupError || error instanceof NoSigningKeyError) return [error.message];
  return undefined;
}

try {
  const request = tokenRequest(parseArguments(process.argv.slice(2)));
  loadEnvFile();
  const signer = await createTokenSigner(readConfig(process.env).jwt);
  process.stdout.write(`${signer.sign(request)}\n`);
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has shown its own line, or the help, which is no error.
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  } else {
    const problems = problemsOf(error);
    if (problems === undefined) throw error;
    for (const problem of problems) process.stderr.write(`${problem}\n`);
    process.exitCode = EXIT_USAGE;
  }
}
