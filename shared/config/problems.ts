import type { ErrorObject } from 'ajv';
import { type FormatName, formats } from './formats.ts';
import type { Variables } from './variables.ts';

/** Values of these never appear in a message: they are, or can carry, credentials. */
const secrets: ReadonlySet<string> = new Set([
  'JWT_SECRET',
  'DATABASE_URL',
  'REDIS_URL',
  'JWT_JWKS_URL',
  'METRICS_TOKEN',
]);

/** Enough of a value to recognise it. */
const MAX_SHOWN = 100;

const ruleTexts: Record<
  string,
  (params: Record<string, unknown>, text: string) => string | readonly string[]
> = {
  enum: (params) => `must be one of ${(params.allowedValues as string[]).join(', ')}`,
  type: (params) => `must be ${params.type === 'integer' ? 'a whole number' : `a ${params.type}`}`,
  minimum: (params) => `must be at least ${params.limit}`,
  maximum: (params) => `must be at most ${params.limit}`,
  pattern: () => 'must be 1 to 64 letters, digits, dots, dashes and underscores',
  format: (params, text) => {
    const { rule } = formats[params.format as FormatName];
    return typeof rule === 'string' ? rule : rule(text);
  },
};

const nameOf = (error: ErrorObject) => error.instancePath.slice(1);

function describe(error: ErrorObject, given: NodeJS.ProcessEnv): string[] {
  const name = nameOf(error);
  const rules = ruleTexts[error.keyword]?.(error.params, given[name] ?? '') ?? String(error.message);
  // As JSON, so that a value with line breaks stays in its line
  const value = secrets.has(name) ? '' : `, but is ${JSON.stringify(given[name]?.slice(0, MAX_SHOWN))}`;
  return [rules].flat().map((rule) => `${name} ${rule}${value}`);
}

/** Of each variable that breaks its own rule, by its name: a line, or one for each bad part. */
export function ownProblems(
  errors: readonly ErrorObject[],
  given: NodeJS.ProcessEnv,
): Map<string, readonly string[]> {
  return new Map(errors.map((error) => [nameOf(error), describe(error, given)]));
}

const ports = [
  'MQTT_PORT',
  'MQTT_WS_PORT',
  'MQTTS_PORT',
  'MQTT_WSS_PORT',
  'API_PORT',
  'METRICS_PORT',
] as const;

function* sharedPorts(values: Variables): Generator<string> {
  const taken = new Map<number, string>();
  for (const name of ports) {
    const port = values[name];
    if (typeof port !== 'number' || port === 0) continue;
    const other = taken.get(port);
    if (other !== undefined) yield `${other} and ${name} are both ${port}`;
    else taken.set(port, name);
  }
}

/** The first of each may not be over the second. */
const bounds = [
  ['MQTT_MAX_UNAUTHENTICATED_PER_ADDRESS', 'MQTT_MAX_UNAUTHENTICATED'],
  ['MQTT_MIN_KEEPALIVE_SECONDS', 'MQTT_MAX_KEEPALIVE_SECONDS'],
  ['MQTT_SLOW_READER_BYTES', 'MQTT_FROZEN_READER_BYTES'],
] as const;

function* crossedBounds(values: Variables, bad: ReadonlyMap<string, unknown>): Generator<string> {
  for (const [lower, upper] of bounds)
    if (!bad.has(lower) && !bad.has(upper) && values[lower] > values[upper])
      yield `${lower} must not be greater than ${upper}, but is ${values[lower]} to ${values[upper]}`;
}

/** Rules that hold between variables. `values` may hold some that break their own: what they say is left alone. */
export function crossProblems(values: Variables, bad: ReadonlyMap<string, readonly string[]>): string[] {
  const problems: string[] = [];
  const role = bad.has('ROLE') ? 'all' : values.ROLE;
  const clustered = role !== 'all' || values.REDIS_URL !== undefined;
  const keys = (['JWT_SECRET', 'JWT_PUBLIC_KEY_FILE', 'JWT_JWKS_URL'] as const).filter((key) => values[key]);
  if (keys.length > 1) problems.push(`${keys.join(' and ')} exclude each other: set one`);
  if (clustered && keys.length === 0)
    problems.push('JWT_SECRET, JWT_PUBLIC_KEY_FILE or JWT_JWKS_URL is required in clustered mode');
  if (role !== 'all') {
    for (const name of ['DATABASE_URL', 'REDIS_URL'] as const)
      if (values[name] === undefined) problems.push(`${name} is required by role ${role}`);
  }
  if (values.MQTTS_PORT !== undefined || values.MQTT_WSS_PORT !== undefined) {
    for (const name of ['TLS_CERT_FILE', 'TLS_KEY_FILE'] as const)
      if (values[name] === undefined) problems.push(`${name} is required by MQTTS_PORT and MQTT_WSS_PORT`);
  }
  return [...problems, ...sharedPorts(values), ...crossedBounds(values, bad)];
}
