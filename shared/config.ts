import { isIPv6 } from 'node:net';
import { parseArgs } from 'node:util';
import { Ajv } from 'ajv';
import type { TSchema } from 'typebox';
import type { JwtSettings } from './auth/settings.ts';
import { formats, items } from './config/formats.ts';
import { type MqttLimits, mqttLimits } from './config/mqtt-limits.ts';
import { crossProblems, ownProblems } from './config/problems.ts';
import { type ProcessRole, type Variables, variables } from './config/variables.ts';

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
  /** As ApiSettings. */
  trustProxy: boolean | number | string;
  limits: MqttLimits;
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
  /** Where erasure looks for archived days; undefined: there are none. */
  archiveDir: string | undefined;
};

export type AdmissionSettings = {
  locationMinIntervalMs: number;
  backlogMaxPerMinute: number;
  historyRetentionDays: number;
  maxQueuedPositions: number;
};

export type TripSettings = {
  etaDetourFactor: number;
  osrmUrl: string | undefined;
  arrivalRadiusMeters: number;
  autoArrive: boolean;
};

export type MetricsSettings = {
  host: string;
  port: number;
  /** What whoever asks for /metrics has to show. undefined: only this machine may ask. */
  token: string | undefined;
};

export type Config = {
  role: ProcessRole;
  host: string;
  mqtt: MqttSettings;
  api: ApiSettings;
  admission: AdmissionSettings;
  trips: TripSettings;
  metrics: MetricsSettings;
  dataDir: string;
  /** undefined: the embedded database under dataDir. */
  databaseUrl: string | undefined;
  databasePoolSize: number;
  /** undefined: one process, everything in memory. */
  redisUrl: string | undefined;
  redisPrefix: string;
  redisLogShards: number;
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

const ajv = new Ajv({
  allErrors: true,
  useDefaults: true,
  removeAdditional: true,
  formats: Object.fromEntries(Object.entries(formats).map(([name, { holds }]) => [name, holds])),
});
const validate = ajv.compile<Variables>({ ...variables, additionalProperties: false });

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
  const host = isIPv6(values.HOST) ? `[${values.HOST}]` : values.HOST;
  return {
    role: values.ROLE,
    host: values.HOST,
    mqtt: {
      port: values.MQTT_PORT,
      wsPort: values.MQTT_WS_PORT,
      wsCompression: values.MQTT_WS_COMPRESSION === 'on',
      tls: tlsSettings(values),
      maxConnectionsPerDriver: values.MAX_CONNECTIONS_PER_DRIVER,
      trustProxy: trustProxy(values.TRUST_PROXY),
      limits: mqttLimits(values),
    },
    api: {
      port: values.API_PORT,
      rateLimitPerMinute: values.API_RATE_LIMIT_PER_MINUTE,
      corsOrigins: items(values.CORS_ORIGINS ?? '').map(withoutSlash),
      trustProxy: trustProxy(values.TRUST_PROXY),
      publicUrl: withoutSlash(values.PUBLIC_URL ?? `http://${host}:${values.API_PORT}`),
      publicMqttWsUrl: values.PUBLIC_MQTT_WS_URL ?? `ws://${host}:${values.MQTT_WS_PORT}/mqtt`,
      driverStaleAfterMs: values.DRIVER_STALE_AFTER_MS,
      archiveDir: values.ARCHIVE_DIR,
    },
    admission: {
      locationMinIntervalMs: values.LOCATION_MIN_INTERVAL_MS,
      backlogMaxPerMinute: values.BACKLOG_MAX_PER_MINUTE,
      historyRetentionDays: values.HISTORY_RETENTION_DAYS,
      maxQueuedPositions: values.MAX_QUEUED_POSITIONS,
    },
    trips: {
      etaDetourFactor: values.ETA_DETOUR_FACTOR,
      osrmUrl: values.OSRM_URL === undefined ? undefined : withoutSlash(values.OSRM_URL),
      arrivalRadiusMeters: values.ARRIVAL_RADIUS_M,
      autoArrive: values.AUTO_ARRIVE === 'true',
    },
    metrics: {
      host: values.METRICS_HOST ?? values.HOST,
      port: values.METRICS_PORT,
      token: values.METRICS_TOKEN,
    },
    dataDir: values.DATA_DIR,
    databaseUrl: values.DATABASE_URL,
    databasePoolSize: values.DATABASE_POOL_SIZE,
    redisUrl: values.REDIS_URL,
    redisPrefix: values.REDIS_PREFIX,
    redisLogShards: values.REDIS_LOG_SHARDS,
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

const schemas: Readonly<Record<string, TSchema>> = variables.properties;

const typeOf = (name: string) => {
  const schema = schemas[name];
  return schema !== undefined && 'type' in schema ? schema.type : undefined;
};

/** Only digits are a number: JavaScript would also take "0x50", "1e3" and " " for one. */
function parse(name: string, text: string): string | number {
  const type = typeOf(name);
  const isNumber =
    (type === 'integer' && /^-?\d{1,15}$/.test(text)) ||
    (type === 'number' && /^-?\d{1,15}(\.\d{1,9})?$/.test(text));
  return isNumber ? Number(text) : text;
}

/**
 * Reads the whole configuration. An empty variable counts as unset.
 * @throws ConfigError with a line for each problem
 */
export function readConfig(env: NodeJS.ProcessEnv, argv: readonly string[] = []): Config {
  const role = roleArgument(argv);
  const given: Record<string, string> = {};
  for (const [name, text] of Object.entries({ ...env, ...(role === undefined ? {} : { ROLE: role }) }))
    if (text !== undefined && text.trim() !== '') given[name] = text;
  const values: Record<string, unknown> = Object.fromEntries(
    Object.entries(given).map(([name, text]) => [name, parse(name, text)]),
  );
  const bad = validate(values)
    ? new Map<string, readonly string[]>()
    : ownProblems(validate.errors ?? [], given);
  const problems = [...[...bad.values()].flat(), ...crossProblems(values as Variables, bad)];
  if (problems.length > 0) throw new ConfigError(problems);
  return settings(values as Variables);
}
