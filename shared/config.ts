import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Ajv, type ErrorObject } from 'ajv';
import { type Static, Type } from 'typebox';
import type { JwtSettings } from './auth/settings.ts';

const port = (defaultPort: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 65535, default: defaultPort, description });
const optionalPort = (description: string) => Type.Integer({ minimum: 0, maximum: 65535, description });
const text = (description: string) => Type.String({ minLength: 1, description });
const choice = <T extends string>(values: readonly T[], defaultValue: T, description: string) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values], default: defaultValue, description });
const count = (defaultCount: number, minimum: number, description: string) =>
  Type.Integer({ minimum, maximum: 2_147_483_647, default: defaultCount, description });

const roles = ['all', 'broker', 'ingest', 'api'] as const;
const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
const onOff = ['on', 'off'] as const;

/** Every environment variable that the product reads. Ports: 0 takes any free one. */
export const variables = Type.Object({
  ROLE: choice(roles, 'all', 'what this process does'),
  HOST: Type.String({ minLength: 1, default: '127.0.0.1', description: 'listen address' }),
  MQTT_PORT: port(1883, 'MQTT over TCP'),
  MQTT_WS_PORT: port(8083, 'MQTT over WebSocket, path /mqtt'),
  MQTT_WS_COMPRESSION: choice(onOff, 'off', 'permessage-deflate for WebSocket clients that offer it'),
  MQTTS_PORT: Type.Optional(optionalPort('MQTT over TLS')),
  MQTT_WSS_PORT: Type.Optional(optionalPort('MQTT over WebSocket over TLS')),
  TLS_CERT_FILE: Type.Optional(text('PEM certificate chain of the TLS listeners')),
  TLS_KEY_FILE: Type.Optional(text('PEM private key of the TLS listeners')),
  API_PORT: port(8096, 'REST'),
  METRICS_PORT: port(9096, 'metrics and health'),
  DATA_DIR: Type.String({
    minLength: 1,
    default: './data',
    description: 'embedded mode: database and secret',
  }),
  DATABASE_URL: Type.Optional(
    Type.String({ pattern: '^postgres(ql)?://', description: 'PostgreSQL >= 15 with PostGIS' }),
  ),
  REDIS_URL: Type.Optional(Type.String({ pattern: '^rediss?://', description: 'Redis >= 7' })),
  JWT_SECRET: Type.Optional(text('HS256 secret')),
  JWT_PUBLIC_KEY_FILE: Type.Optional(text('PEM public key: RSA for RS256, EC P-256 for ES256')),
  JWT_JWKS_URL: Type.Optional(Type.String({ pattern: '^https?://', description: 'JSON Web Key Set' })),
  JWT_ISSUER: Type.Optional(text('required iss')),
  JWT_AUDIENCE: Type.Optional(text('required aud')),
  LOCATION_MIN_INTERVAL_MS: count(5000, 0, 'ms between live positions of a driver; 0 = no limit'),
  BACKLOG_MAX_PER_MINUTE: count(6000, 1, 'positions a minute and driver in locations batches'),
  MAX_CONNECTIONS_PER_DRIVER: count(3, 1, 'MQTT connections of one driver at a time'),
  API_RATE_LIMIT_PER_MINUTE: count(60, 0, 'REST requests a minute and client address; 0 = no limit'),
  PUBLIC_URL: Type.Optional(Type.String({ pattern: '^https?://', description: 'base of links to the API' })),
  PUBLIC_MQTT_WS_URL: Type.Optional(
    Type.String({ pattern: '^wss?://', description: 'what pages connect to for live data' }),
  ),
  CORS_ORIGINS: Type.Optional(text('comma-separated origins that may call REST from a browser')),
  TRUST_PROXY: Type.String({
    pattern: '^(off|on|[1-9][0-9]?|[0-9a-fA-F.:/, ]+)$',
    default: 'off',
    description: 'off, on, a number of hops, or a list of proxy addresses',
  }),
  HISTORY_RETENTION_DAYS: count(7, 1, 'days a position is kept, and the greatest age of an accepted one'),
  ARCHIVE_DIR: Type.Optional(text('where dropped days are archived')),
  OFFLINE_GRACE_MS: count(10_000, 0, 'ms after the last connection before a driver is OFFLINE'),
  DRIVER_STALE_AFTER_MS: count(300_000, 1000, 'ms after which a position is too old for nearby'),
  MAX_QUEUED_POSITIONS: count(100_000, 1000, 'positions waiting for the database before OVERLOADED'),
  DATABASE_POOL_SIZE: count(
    Math.max(4, availableParallelism() * 2),
    2,
    'connections to the database a process (default: twice the cores, at least 4)',
  ),
  LOG_LEVEL: choice(logLevels, 'info', 'pino level'),
});

type Variables = Static<typeof variables>;
export type ProcessRole = Variables['ROLE'];

export type TlsSettings = {
  certFile: string;
  keyFile: string;
  mqttPort: number | undefined;
  wsPort: number | undefined;
};

export type MqttSettings = {
  port: number;
  wsPort: number;
  wsCompression: boolean;
  tls: TlsSettings | undefined;
  maxConnectionsPerDriver: number;
};

export type ApiSettings = {
  port: number;
  rateLimitPerMinute: number;
  corsOrigins: string[];
  /** As Express takes it: false, true, hops, or addresses. */
  trustProxy: boolean | number | string;
  publicUrl: string;
  publicMqttWsUrl: string;
  driverStaleAfterMs: number;
};

export type AdmissionSettings = {
  locationMinIntervalMs: number;
  backlogMaxPerMinute: number;
  historyRetentionDays: number;
  maxQueuedPositions: number;
};

export type Config = {
  role: ProcessRole;
  host: string;
  mqtt: MqttSettings;
  api: ApiSettings;
  admission: AdmissionSettings;
  metricsPort: number;
  dataDir: string;
  /** undefined: the embedded database under dataDir. */
  databaseUrl: string | undefined;
  databasePoolSize: number;
  /** undefined: one process, everything in memory. */
  redisUrl: string | undefined;
  jwt: JwtSettings;
  archiveDir: string | undefined;
  offlineGraceMs: number;
  logLevel: Variables['LOG_LEVEL'];
};

/** All that is wrong with the configuration, one problem a line. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

const ajv = new Ajv({ allErrors: true, coerceTypes: true, useDefaults: true, removeAdditional: true });
const validate = ajv.compile<Variables>({ ...variables, additionalProperties: false });

/** Values of these never appear in a message. */
const secrets = new Set(['JWT_SECRET', 'DATABASE_URL', 'REDIS_URL']);

const ruleTexts: Record<string, (params: Record<string, unknown>) => string> = {
  enum: (params) => `must be one of ${(params.allowedValues as string[]).join(', ')}`,
  type: (params) => `must be ${params.type === 'integer' ? 'a whole number' : `a ${params.type}`}`,
  minimum: (params) => `must be at least ${params.limit}`,
  maximum: (params) => `must be at most ${params.limit}`,
};

function describe(error: ErrorObject, env: NodeJS.ProcessEnv): string {
  const name = error.instancePath.slice(1);
  const rule =
    error.keyword === 'pattern'
      ? `must look like: ${String(error.params.pattern)}`
      : (ruleTexts[error.keyword]?.(error.params) ?? error.message);
  return secrets.has(name) ? `${name} ${rule}` : `${name} ${rule}, but is "${env[name]}"`;
}

/** Rules that hold between variables. */
function crossProblems(values: Variables): string[] {
  const problems: string[] = [];
  const clustered = values.ROLE !== 'all' || values.REDIS_URL !== undefined;
  const keys = (['JWT_SECRET', 'JWT_PUBLIC_KEY_FILE', 'JWT_JWKS_URL'] as const).filter((key) => values[key]);
  if (keys.length > 1) problems.push(`${keys.join(' and ')} exclude each other: set one`);
  if (clustered && keys.length === 0)
    problems.push('JWT_SECRET, JWT_PUBLIC_KEY_FILE or JWT_JWKS_URL is required in clustered mode');
  if (values.ROLE !== 'all') {
    for (const name of ['DATABASE_URL', 'REDIS_URL'] as const)
      if (values[name] === undefined) problems.push(`${name} is required by role ${values.ROLE}`);
  }
  if (values.MQTTS_PORT !== undefined || values.MQTT_WSS_PORT !== undefined) {
    for (const name of ['TLS_CERT_FILE', 'TLS_KEY_FILE'] as const)
      if (values[name] === undefined) problems.push(`${name} is required by MQTTS_PORT and MQTT_WSS_PORT`);
  }
  return problems;
}

function tlsSettings(values: Variables): TlsSettings | undefined {
  if (values.MQTTS_PORT === undefined && values.MQTT_WSS_PORT === undefined) return undefined;
  return {
    certFile: values.TLS_CERT_FILE ?? '',
    keyFile: values.TLS_KEY_FILE ?? '',
    mqttPort: values.MQTTS_PORT,
    wsPort: values.MQTT_WSS_PORT,
  };
}

function trustProxy(value: string): boolean | number | string {
  if (value === 'off') return false;
  if (value === 'on') return true;
  return /^\d{1,2}$/.test(value) ? Number(value) : value;
}

const withoutSlash = (url: string) => url.replace(/\/+$/, '');

function settings(values: Variables): Config {
  return {
    role: values.ROLE,
    host: values.HOST,
    mqtt: {
      port: values.MQTT_PORT,
      wsPort: values.MQTT_WS_PORT,
      wsCompression: values.MQTT_WS_COMPRESSION === 'on',
      tls: tlsSettings(values),
      maxConnectionsPerDriver: values.MAX_CONNECTIONS_PER_DRIVER,
    },
    api: {
      port: values.API_PORT,
      rateLimitPerMinute: values.API_RATE_LIMIT_PER_MINUTE,
      corsOrigins: (values.CORS_ORIGINS ?? '')
        .split(',')
        .map((origin) => withoutSlash(origin.trim()))
        .filter((origin) => origin !== ''),
      trustProxy: trustProxy(values.TRUST_PROXY),
      publicUrl: withoutSlash(values.PUBLIC_URL ?? `http://${values.HOST}:${values.API_PORT}`),
      publicMqttWsUrl: values.PUBLIC_MQTT_WS_URL ?? `ws://${values.HOST}:${values.MQTT_WS_PORT}/mqtt`,
      driverStaleAfterMs: values.DRIVER_STALE_AFTER_MS,
    },
    admission: {
      locationMinIntervalMs: values.LOCATION_MIN_INTERVAL_MS,
      backlogMaxPerMinute: values.BACKLOG_MAX_PER_MINUTE,
      historyRetentionDays: values.HISTORY_RETENTION_DAYS,
      maxQueuedPositions: values.MAX_QUEUED_POSITIONS,
    },
    metricsPort: values.METRICS_PORT,
    dataDir: values.DATA_DIR,
    databaseUrl: values.DATABASE_URL,
    databasePoolSize: values.DATABASE_POOL_SIZE,
    redisUrl: values.REDIS_URL,
    jwt: {
      secret: values.JWT_SECRET,
      publicKeyFile: values.JWT_PUBLIC_KEY_FILE,
      jwksUrl: values.JWT_JWKS_URL,
      issuer: values.JWT_ISSUER,
      audience: values.JWT_AUDIENCE,
      dataDir: values.DATA_DIR,
    },
    archiveDir: values.ARCHIVE_DIR,
    offlineGraceMs: values.OFFLINE_GRACE_MS,
    logLevel: values.LOG_LEVEL,
  };
}

/** `--role ROLE` on the command line wins over the environment. */
function roleArgument(argv: readonly string[]): string | undefined {
  try {
    return parseArgs({ args: [...argv], options: { role: { type: 'string' } } }).values.role;
  } catch (error) {
    throw new ConfigError([error instanceof Error ? error.message : String(error)]);
  }
}

/**
 * Reads the whole configuration. An empty variable counts as unset.
 * @throws ConfigError with a line for each problem
 */
export function readConfig(env: NodeJS.ProcessEnv, argv: readonly string[] = []): Config {
  const role = roleArgument(argv);
  const given = Object.fromEntries(
    Object.entries({ ...env, ...(role === undefined ? {} : { ROLE: role }) }).filter(
      ([, value]) => value !== '',
    ),
  );
  const values: Record<string, unknown> = { ...given };
  if (!validate(values))
    throw new ConfigError((validate.errors ?? []).map((error) => describe(error, given)));
  const problems = crossProblems(values);
  if (problems.length > 0) throw new ConfigError(problems);
  return settings(values);
}
