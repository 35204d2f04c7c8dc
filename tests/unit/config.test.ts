import { describe, expect, test } from '@jest/globals';
import { variables } from '../../shared/config/variables.ts';
import { ConfigError, readConfig } from '../../shared/config.ts';

function problemsOf(env: NodeJS.ProcessEnv, ...argv: string[]): readonly string[] {
  try {
    readConfig(env, argv);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const database = 'postgresql://fleet:hunter2@db:5432/fleet';
const redis = 'redis://:hunter3@redis:6379';
const clustered = { DATABASE_URL: database, REDIS_URL: redis, JWT_SECRET: 'x'.repeat(32) };

describe('the configuration', () => {
  test('has the defaults of the contract', () => {
    expect(readConfig({})).toMatchObject({
      role: 'all',
      host: '127.0.0.1',
      mqtt: { port: 1883, wsPort: 8083, wsCompression: false, tls: undefined, maxConnectionsPerDriver: 3 },
      api: {
        port: 8096,
        rateLimitPerMinute: 60,
        corsOrigins: [],
        trustProxy: false,
        publicUrl: 'http://127.0.0.1:8096',
        publicMqttWsUrl: 'ws://127.0.0.1:8083/mqtt',
      },
      admission: { locationMinIntervalMs: 5000, backlogMaxPerMinute: 6000, historyRetentionDays: 7 },
      metrics: { host: '127.0.0.1', port: 9096, token: undefined },
      dataDir: './data',
      databaseUrl: undefined,
      redisUrl: undefined,
      jwt: { secret: undefined, publicKeyFile: undefined, jwksUrl: undefined, dataDir: './data' },
      offlineGraceMs: 10_000,
      logLevel: 'info',
    });
  });

  test('counts an empty variable as unset', () => {
    const empty = Object.fromEntries(Object.keys(variables.properties).map((name) => [name, '']));
    expect(readConfig(empty)).toEqual(readConfig({}));
    expect(readConfig({ API_PORT: ' ', DATABASE_URL: '  ' })).toEqual(readConfig({}));
  });

  test('leaves alone what is not ours', () => {
    expect(readConfig({ PATH: '/bin', constructor: 'x', toString: 'y' } as NodeJS.ProcessEnv)).toEqual(
      readConfig({}),
    );
  });

  test('builds links from where it listens, unless told', () => {
    expect(readConfig({ HOST: '::1', API_PORT: '1', MQTT_WS_PORT: '2' }).api).toMatchObject({
      publicUrl: 'http://[::1]:1',
      publicMqttWsUrl: 'ws://[::1]:2/mqtt',
    });
    expect(
      readConfig({
        PUBLIC_URL: 'https://fleet.example/base/',
        PUBLIC_MQTT_WS_URL: 'wss://fleet.example/mqtt',
      }).api,
    ).toMatchObject({ publicUrl: 'https://fleet.example/base', publicMqttWsUrl: 'wss://fleet.example/mqtt' });
  });

  test('takes origins as browsers send them', () => {
    const CORS_ORIGINS = ' https://a.example/ ,http://localhost:5173, ';
    expect(readConfig({ CORS_ORIGINS }).api.corsOrigins).toEqual([
      'https://a.example',
      'http://localhost:5173',
    ]);
  });

  test.each([
    ['off', false],
    ['on', true],
    ['2', 2],
    ['10.0.0.1', '10.0.0.1'],
    ['loopback, 10.0.0.0/8, fd00::/8', 'loopback, 10.0.0.0/8, fd00::/8'],
  ])('trusts proxies as TRUST_PROXY=%s says', (TRUST_PROXY, trustProxy) => {
    expect(readConfig({ TRUST_PROXY }).api.trustProxy).toBe(trustProxy);
  });
});

const ports = ['MQTT_PORT', 'MQTT_WS_PORT', 'MQTTS_PORT', 'MQTT_WSS_PORT', 'API_PORT', 'METRICS_PORT'];
const limits = Object.keys(variables.properties).filter((name) =>
  /^MQTT_(MAX|MIN|WS_MAX|FAILURES|FLAPPING|.*_MS$|.*_BYTES$)/.test(name),
);
const notNumbers = [
  '-1',
  '1.5',
  '1e3',
  '0x50',
  'abc',
  '+5',
  '5 ',
  '1_000',
  '99999999999999999999',
  'Infinity',
  'NaN',
];
const notPostgres = ['mysql://h/db', 'h:5432', 'postgres://h:port/db', 'postgres://u:p%zz@h/db', '/var/run'];
const notHttp = ['fleet.example', 'ftp://fleet.example', 'http://', '//fleet.example', 'javascript:alert(1)'];

/** Values that break the rule of their variable. */
const bad: [string, string[]][] = [
  ['ROLE', ['ALL', 'brokers', 'broker,api']],
  ...ports.map((name): [string, string[]] => [name, [...notNumbers, '65536']]),
  ['MQTT_WS_COMPRESSION', ['true', '1', 'ON']],
  ['DATABASE_URL', notPostgres],
  ['REDIS_URL', ['http://h', 'redis', 'redis://h:port']],
  ['JWT_JWKS_URL', notHttp],
  ['PUBLIC_URL', notHttp],
  ['PUBLIC_MQTT_WS_URL', ['http://fleet.example', 'fleet.example', 'ws://']],
  ['LOCATION_MIN_INTERVAL_MS', [...notNumbers, '2147483648']],
  ['BACKLOG_MAX_PER_MINUTE', [...notNumbers, '0']],
  ['MAX_CONNECTIONS_PER_DRIVER', [...notNumbers, '0']],
  ['API_RATE_LIMIT_PER_MINUTE', notNumbers],
  ...limits.map((name): [string, string[]] => [
    name,
    [...notNumbers, '2147483648', ...(name.endsWith('_PER_MINUTE') ? [] : ['0'])],
  ]),
  [
    'CORS_ORIGINS',
    ['*', 'null', 'fleet.example', 'https://a.example/path', 'https://a.example https://b.example', ','],
  ],
  [
    'TRUST_PROXY',
    ['true', 'yes', '0', '100', 'abc', '10.0.0.0/33', 'fd00::/129', '10.0.0.1/', '300.1.1.1', ','],
  ],
  ['HISTORY_RETENTION_DAYS', [...notNumbers, '0', '3651']],
  ['OFFLINE_GRACE_MS', notNumbers],
  ['DRIVER_STALE_AFTER_MS', [...notNumbers, '999']],
  ['MAX_QUEUED_POSITIONS', [...notNumbers, '999']],
  ['DATABASE_POOL_SIZE', [...notNumbers, '1']],
  ['LOG_LEVEL', ['INFO', 'verbose', '30']],
];

describe('a bad value', () => {
  test.each(bad)('of %s is told in one line that names it', (name, values) => {
    for (const value of values) {
      const all = problemsOf({ TLS_CERT_FILE: 'c', TLS_KEY_FILE: 'k', [name]: value });
      const problems = all.filter((problem) => problem.includes(name));
      expect({ value, problems }).toEqual({ value, problems: [expect.stringMatching(`^${name} must `)] });
      expect(problems[0]).not.toContain('\n');
    }
  });

  test('is shown, so that its place is found, in one line and not in full length', () => {
    expect(problemsOf({ LOG_LEVEL: 'a\nb' })).toEqual([
      'LOG_LEVEL must be one of trace, debug, info, warn, error, fatal, silent, but is "a\\nb"',
    ]);
    expect(problemsOf({ ROLE: 'x'.repeat(10_000) })[0]?.length).toBeLessThan(300);
  });

  test('of a variable that holds credentials is not shown', () => {
    const problems = problemsOf({
      DATABASE_URL: 'mysql://fleet:hunter2@db/fleet',
      REDIS_URL: 'http://:hunter2@redis',
      JWT_JWKS_URL: 'ftp://keys:hunter2@keys.example',
    });
    expect(problems).toHaveLength(3);
    expect(problems.join('\n')).not.toContain('hunter2');
  });

  test('is told together with all others', () => {
    const problems = problemsOf({
      API_PORT: 'a',
      LOG_LEVEL: 'b',
      ROLE: 'broker',
      JWT_SECRET: 's',
      JWT_JWKS_URL: 'c',
    });
    expect(problems).toEqual([
      expect.stringMatching(/^API_PORT must be a whole number, but is "a"$/),
      expect.stringMatching(/^JWT_JWKS_URL must /),
      expect.stringMatching(/^LOG_LEVEL must /),
      'JWT_SECRET and JWT_JWKS_URL exclude each other: set one',
      'DATABASE_URL is required by role broker',
      'REDIS_URL is required by role broker',
    ]);
  });
});

describe('rules between variables', () => {
  test.each(['broker', 'ingest', 'api'])('role %s requires a database, Redis and a key', (ROLE) => {
    expect(problemsOf({ ROLE })).toEqual([
      'JWT_SECRET, JWT_PUBLIC_KEY_FILE or JWT_JWKS_URL is required in clustered mode',
      `DATABASE_URL is required by role ${ROLE}`,
      `REDIS_URL is required by role ${ROLE}`,
    ]);
    expect(readConfig({ ROLE, ...clustered })).toMatchObject({
      role: ROLE,
      databaseUrl: database,
      redisUrl: redis,
    });
  });

  test('Redis requires a key in role all: the other processes must know it', () => {
    expect(problemsOf({ REDIS_URL: redis })).toEqual([expect.stringMatching(/JWT_SECRET.*required/)]);
    expect(problemsOf({ DATABASE_URL: database })).toEqual([]);
  });

  test('one kind of key excludes the others', () => {
    const keys = { JWT_SECRET: 's', JWT_PUBLIC_KEY_FILE: 'f', JWT_JWKS_URL: 'https://keys.example' };
    expect(problemsOf(keys)).toEqual([
      'JWT_SECRET and JWT_PUBLIC_KEY_FILE and JWT_JWKS_URL exclude each other: set one',
    ]);
    for (const [name, value] of Object.entries(keys)) expect(problemsOf({ [name]: value })).toEqual([]);
  });

  test.each(['MQTTS_PORT', 'MQTT_WSS_PORT'])('%s requires certificate and key', (name) => {
    expect(problemsOf({ [name]: '1' })).toEqual([
      'TLS_CERT_FILE is required by MQTTS_PORT and MQTT_WSS_PORT',
      'TLS_KEY_FILE is required by MQTTS_PORT and MQTT_WSS_PORT',
    ]);
  });

  test.each([
    ['MQTT_MIN_KEEPALIVE_SECONDS', '60', 'MQTT_MAX_KEEPALIVE_SECONDS', '59'],
    ['MQTT_SLOW_READER_BYTES', '2000', 'MQTT_FROZEN_READER_BYTES', '1999'],
  ])('%s=%s is not over %s=%s', (lower, least, upper, most) => {
    expect(problemsOf({ [lower]: least, [upper]: most })).toEqual([
      `${lower} must not be greater than ${upper}, but is ${least} to ${most}`,
    ]);
    expect(problemsOf({ [lower]: most, [upper]: least })).toEqual([]);
  });

  test('no two listeners share a port, unless any will do', () => {
    expect(problemsOf({ API_PORT: '9096' })).toEqual(['API_PORT and METRICS_PORT are both 9096']);
    expect(problemsOf(Object.fromEntries(ports.slice(0, 2).map((name) => [name, '0'])))).toEqual([]);
  });
});

describe('the command line', () => {
  test('--role wins over ROLE', () => {
    expect(readConfig({ ROLE: 'api', ...clustered }, ['--role', 'ingest']).role).toBe('ingest');
    expect(readConfig({ ROLE: 'api', ...clustered }, ['--role=broker']).role).toBe('broker');
    expect(problemsOf({}, '--role', 'x')).toEqual([
      expect.stringMatching(/^ROLE must be one of .*, but is "x"$/),
    ]);
  });

  test.each([['--role'], ['--rolle', 'api'], ['-r'], ['api'], ['--role', 'all', 'api']])(
    'refuses %s %s %s in one line',
    (...argv) => {
      const problems = problemsOf({}, ...argv.filter((argument) => argument !== undefined));
      expect(problems).toHaveLength(1);
      expect(problems[0]).not.toContain('\n');
    },
  );
});
