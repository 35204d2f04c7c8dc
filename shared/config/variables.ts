import { availableParallelism } from 'node:os';
import { type Static, Type } from 'typebox';
import { logLevels } from '../telemetry/levels.ts';
import type { FormatName } from './formats.ts';
import { limitVariables } from './limit-variables.ts';

const port = (defaultPort: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 65535, default: defaultPort, description });
const optionalPort = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 0, maximum: 65535, description }));
const optionalText = (description: string) => Type.Optional(Type.String({ minLength: 1, description }));
const optional = (format: FormatName, description: string) =>
  Type.Optional(Type.String({ format, description }));
const choice = <T extends string>(values: readonly T[], defaultValue: T, description: string) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values], default: defaultValue, description });
const count = (defaultCount: number, minimum: number, description: string, maximum = 2_147_483_647) =>
  Type.Integer({ minimum, maximum, default: defaultCount, description });

const roles = ['all', 'broker', 'ingest', 'api'] as const;
const onOff = ['on', 'off'] as const;

/** Every day that is kept is a table: ten years of them still start in seconds. */
const MAX_RETENTION_DAYS = 3650;

/** Every environment variable that the product reads. Ports: 0 takes any free one. */
export const variables = Type.Object({
  ROLE: choice(roles, 'all', 'what this process does'),
  HOST: Type.String({ minLength: 1, default: '127.0.0.1', description: 'listen address' }),
  MQTT_PORT: port(1883, 'MQTT over TCP'),
  MQTT_WS_PORT: port(8083, 'MQTT over WebSocket, path /mqtt'),
  MQTT_WS_COMPRESSION: choice(onOff, 'off', 'permessage-deflate for WebSocket clients that offer it'),
  MQTTS_PORT: optionalPort('MQTT over TLS'),
  MQTT_WSS_PORT: optionalPort('MQTT over WebSocket over TLS'),
  TLS_CERT_FILE: optionalText('PEM certificate chain of the TLS listeners'),
  TLS_KEY_FILE: optionalText('PEM private key of the TLS listeners'),
  API_PORT: port(8096, 'REST'),
  METRICS_PORT: port(9096, 'metrics and health'),
  METRICS_HOST: optionalText('listen address of METRICS_PORT; without it: HOST'),
  METRICS_TOKEN: optional('bearer-token', 'what whoever asks for /metrics has to show'),
  DATA_DIR: Type.String({
    minLength: 1,
    default: './data',
    description: 'embedded mode: database and secret',
  }),
  DATABASE_URL: optional('postgres-url', 'PostgreSQL >= 15 with PostGIS'),
  REDIS_URL: optional('redis-url', 'Redis >= 7'),
  REDIS_PREFIX: Type.String({
    pattern: '^[A-Za-z0-9_.-]{1,64}$',
    default: 'fleetcast',
    description: 'of every key and channel, for deployments that share a Redis server',
  }),
  REDIS_LOG_SHARDS: count(1, 1, 'streams of the position log; more than 1 only for Redis Cluster', 256),
  JWT_SECRET: optionalText('HS256 secret'),
  JWT_PUBLIC_KEY_FILE: optionalText('PEM public key: RSA for RS256, EC P-256 for ES256'),
  JWT_JWKS_URL: optional('http-url', 'JSON Web Key Set'),
  JWT_ISSUER: optionalText('required iss'),
  JWT_AUDIENCE: optionalText('required aud'),
  LOCATION_MIN_INTERVAL_MS: count(5000, 0, 'ms between live positions of a driver; 0 = no limit'),
  BACKLOG_MAX_PER_MINUTE: count(6000, 1, 'positions a minute and driver in locations batches'),
  MAX_CONNECTIONS_PER_DRIVER: count(3, 1, 'MQTT connections of one driver at a time'),
  ...limitVariables,
  API_RATE_LIMIT_PER_MINUTE: count(60, 0, 'REST requests a minute and client address; 0 = no limit'),
  PUBLIC_URL: optional('http-url', 'base of links to the API'),
  PUBLIC_MQTT_WS_URL: optional('ws-url', 'what pages connect to for live data'),
  CORS_ORIGINS: optional('origins', 'comma-separated origins that may call REST from a browser'),
  TRUST_PROXY: Type.String({
    format: 'trust-proxy' satisfies FormatName,
    default: 'off',
    description: 'off, on, a number of hops, or a list of proxy addresses',
  }),
  HISTORY_RETENTION_DAYS: count(
    7,
    1,
    'days a position is kept, and the greatest age of an accepted one',
    MAX_RETENTION_DAYS,
  ),
  ARCHIVE_DIR: optionalText('where dropped days are archived'),
  OFFLINE_GRACE_MS: count(10_000, 0, 'ms after the last connection before a driver is OFFLINE'),
  DRIVER_STALE_AFTER_MS: count(300_000, 1000, 'ms after which a position is too old for nearby'),
  ETA_DETOUR_FACTOR: Type.Number({
    minimum: 1,
    maximum: 10,
    default: 1.2,
    description: 'how much longer the road is than the straight line',
  }),
  OSRM_URL: optional('http-url', 'routing engine (OSRM) for arrival times; without it: straight line'),
  ARRIVAL_RADIUS_M: count(75, 1, 'metres around the pickup within which a driver can arrive', 5000),
  AUTO_ARRIVE: choice(['true', 'false'] as const, 'false', 'a driver that dwells at the pickup has ARRIVED'),
  MAX_QUEUED_POSITIONS: count(100_000, 1000, 'positions waiting for the database before OVERLOADED'),
  DATABASE_POOL_SIZE: count(
    Math.max(4, availableParallelism() * 2),
    2,
    'connections to the database a process (default: twice the cores, at least 4)',
  ),
  LOG_LEVEL: choice(logLevels, 'info', 'pino level'),
});

export type Variables = Static<typeof variables>;
export type ProcessRole = Variables['ROLE'];
