import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { readConfig } from '../../shared/config.ts';
import { STOP_TIMEOUT_MS } from '../../shared/lifecycle.ts';
import { type ComposeService, publishedPort, readCompose } from '../support/deploy/compose.ts';
import {
  exists,
  expectCommand,
  expectFixedTag,
  expectHealthPath,
  expectVariables,
  packageJson,
  read,
} from '../support/deploy/files.ts';

const require = createRequire(import.meta.url);

const compose = readCompose({ JWT_SECRET: 'a-secret' });
const services = Object.entries(compose.services);
const ours = services.filter(([, { build }]) => build !== undefined);
const processes = ours.filter(([, { environment }]) => environment?.ROLE !== undefined);
const configOf = ({ environment }: ComposeService) => readConfig({ ...environment });

/** The Compose specification's own schema, as the Compose linter carries it. */
function composeSchema(): (file: unknown) => string[] {
  const linter = dirname(require.resolve('dclint/package.json'));
  const schema = JSON.parse(readFileSync(join(linter, 'schemas', 'compose.schema.json'), 'utf8')) as object;
  const ajv = new Ajv({
    strict: false,
    allErrors: true,
    formats: {
      duration: /^(\d+(\.\d+)?(us|ms|s|m|h))+$/,
      ports: /^((\d{1,3}\.){3}\d{1,3}:)?\d+(-\d+)?(:\d+(-\d+)?)?(\/(tcp|udp))?$/,
      expose: /^\d+(-\d+)?(\/(tcp|udp))?$/,
      subnet_ip_address: true,
    },
  });
  const validate = ajv.compile({ ...schema, $schema: 'http://json-schema.org/draft-07/schema#' });
  return (file) =>
    validate(file) ? [] : (validate.errors ?? []).map((e) => `${e.instancePath} ${e.message}`);
}

describe('docker-compose.yml', () => {
  test('is what the Compose specification allows', () => {
    const problems = composeSchema();
    expect(problems(compose)).toEqual([]);
    // It would not allow everything
    expect(problems({ services: { api: { ...compose.services.api, helthcheck: {} } } })).not.toEqual([]);
    const depends_on = { migrate: { condition: 'service_done' } };
    expect(problems({ services: { api: { ...compose.services.api, depends_on } } })).not.toEqual([]);
  });

  test('has database, Redis, migration, two brokers, ingest, api, Prometheus, Grafana, and Alertmanager where it is wanted', () => {
    expect(processes.map(([, { environment }]) => environment?.ROLE)).toEqual([
      'broker',
      'broker',
      'ingest',
      'api',
    ]);
    expect(services.map(([name]) => name)).toEqual([
      'postgres',
      'redis',
      'migrate',
      ...processes.map(([name]) => name),
      'prometheus',
      'grafana',
      'alertmanager',
    ]);
    // Whom it tells has to be said first
    expect(compose.services.alertmanager?.profiles).toEqual(['alerting']);
  });

  test('runs images with a fixed tag: those that the tests run on, and our own by its version', () => {
    for (const [, { image }] of services) expectFixedTag(image);
    for (const [, { image, build }] of ours) {
      expect(image).toBe(`fleetcast:${packageJson.version}`);
      expect(exists(build?.context ?? '') && exists(build?.dockerfile ?? '')).toBe(true);
    }
    expect(compose.services.postgres?.image).toMatch(/^postgis\/postgis:/);
    expect(compose.services.redis?.image).toMatch(/^redis:/);
    expect(read('tests/support/services/docker.ts')).toContain(`'${compose.services.postgres?.image}'`);
  });

  test('gives every process variables that it reads, and values that it takes', () => {
    for (const [, service] of ours) {
      expectVariables(Object.keys(service.environment ?? {}));
      expect(() => configOf(service)).not.toThrow();
    }
    const secrets = new Set(processes.map(([, { environment }]) => environment?.JWT_SECRET));
    expect([...secrets]).toEqual(['a-secret']);
  });

  test('does not start without a secret, and says which', () => {
    expect(() => readCompose({})).toThrow(/^JWT_SECRET: a secret for the tokens is needed/);
  });

  test('passes on what the shell or .env says', () => {
    const env = { JWT_SECRET: 'other', CORS_ORIGINS: 'https://app.example.org', TRUST_PROXY: '1' };
    const config = configOf(readCompose(env).services.api as ComposeService);
    expect(config.api).toMatchObject({ corsOrigins: ['https://app.example.org'], trustProxy: 1 });
    expect(config.jwt.secret).toBe('other');
  });

  test('points every process to the services that are there', () => {
    for (const [, service] of processes) {
      const { databaseUrl = '', redisUrl = '' } = configOf(service);
      const { POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB } = compose.services.postgres?.environment ?? {};
      expect(databaseUrl).toBe(
        `postgresql://${POSTGRES_USER}:${POSTGRES_PASSWORD}@postgres:5432/${POSTGRES_DB}`,
      );
      expect(redisUrl).toBe('redis://redis:6379');
      expect(service.networks).toEqual(
        expect.arrayContaining(compose.services.postgres?.networks ?? ['none']),
      );
      expect(service.networks).toEqual(expect.arrayContaining(compose.services.redis?.networks ?? ['none']));
    }
    const migrate = compose.services.migrate as ComposeService;
    expect(migrate.environment?.DATABASE_URL).toBe(processes[0]?.[1].environment?.DATABASE_URL);
    const networks = new Set(services.flatMap(([, service]) => service.networks));
    expect([...networks].sort()).toEqual(Object.keys(compose.networks).sort());
  });

  test('publishes the ports of each role, each once, and links to one of them', () => {
    const published: number[] = [];
    for (const [name, service] of processes) {
      const { mqtt, api, role } = configOf(service);
      const ports = (service.ports ?? []).map(publishedPort);
      const listened = { broker: [mqtt.port, mqtt.wsPort], api: [api.port], ingest: [], all: [] }[role];
      expect({ name, targets: ports.map(({ target }) => target) }).toEqual({ name, targets: listened });
      published.push(...ports.map((port) => port.published));
    }
    expect(new Set(published).size).toBe(published.length);
    const { publicUrl, publicMqttWsUrl } = configOf(compose.services.api as ComposeService).api;
    expect(compose.services.api?.ports).toContain(`127.0.0.1:${new URL(publicUrl).port}:8096`);
    expect(compose.services['broker-1']?.ports).toContain(`127.0.0.1:${new URL(publicMqttWsUrl).port}:8083`);
    expect(new URL(publicMqttWsUrl).pathname).toBe('/mqtt');
  });

  test('publishes nothing of the stores', () => {
    expect(compose.services.postgres?.ports ?? compose.services.redis?.ports).toBeUndefined();
    expect(compose.networks.data).toEqual({ internal: true });
  });

  test('starts each in its turn, and knows whether it is well', async () => {
    for (const [name, { healthcheck, depends_on = {} }] of services) {
      expect({ name, isChecked: healthcheck?.test !== undefined }).toEqual({
        name,
        isChecked: name !== 'migrate',
      });
      for (const [other, { condition }] of Object.entries(depends_on)) {
        const target = compose.services[other];
        expect({ other, isThere: target !== undefined }).toEqual({ other, isThere: true });
        const ends = target?.healthcheck?.disable === true;
        expect(condition).toBe(ends ? 'service_completed_successfully' : 'service_healthy');
      }
    }
    for (const [, { healthcheck, depends_on }] of processes) {
      const [kind, ...command] = healthcheck?.test ?? [];
      expect(kind).toBe('CMD');
      expectCommand(command);
      await expectHealthPath(command.at(-1));
      expect(Object.keys(depends_on ?? {}).sort()).toEqual(['migrate', 'postgres', 'redis']);
    }
    expectCommand(compose.services.migrate?.command);
  });

  test('leaves a process the time that it takes to stop', () => {
    for (const [, { stop_grace_period }] of processes)
      expect(Number.parseInt(stop_grace_period ?? '', 10) * 1000).toBeGreaterThan(STOP_TIMEOUT_MS);
  });

  test('asks PostgreSQL for no more connections than its default gives', () => {
    const pools = processes.map(([, service]) => configOf(service).databasePoolSize);
    // One more each for its migration, while it starts; 3 are kept for superusers
    expect(pools.reduce((sum, size) => sum + size + 1, 0)).toBeLessThan(100 - 3);
  });

  test('keeps Redis on the disk, and lets it forget nothing', () => {
    const command = compose.services.redis?.command?.join(' ');
    expect(command).toContain('--appendonly yes');
    expect(command).toContain('--appendfsync always');
    expect(command).toContain('--maxmemory-policy noeviction');
  });

  test('mounts files and volumes that are there', () => {
    const mounts = services.flatMap(([, service]) => service.volumes ?? []);
    const sources = mounts.map((mount) => mount.split(':')[0] ?? '');
    for (const source of sources.filter((path) => path.startsWith('.')))
      expect({ source, exists: exists(source) }).toEqual({ source, exists: true });
    const named = sources.filter((source) => !source.startsWith('.'));
    expect(named.sort()).toEqual(Object.keys(compose.volumes).sort());
  });
});

type Scrape = {
  job_name: string;
  authorization?: { credentials_file: string };
  metrics_path?: string;
  dns_sd_configs?: { names: string[]; port: number }[];
  static_configs?: { targets: string[] }[];
};

describe('Prometheus', () => {
  const { scrape_configs, alerting, rule_files } = parse(read('deploy/prometheus/prometheus.yml')) as {
    scrape_configs: Scrape[];
    alerting: { alertmanagers: { dns_sd_configs: { names: string[]; port: number }[] }[] };
    rule_files: string[];
  };

  test('asks every process on its metrics port, by role', () => {
    const asked = scrape_configs.flatMap(({ job_name, dns_sd_configs = [] }) =>
      dns_sd_configs.flatMap(({ names, port }) => names.map((name) => ({ name, port, job: job_name }))),
    );
    expect(asked).toEqual(
      processes.map(([name, service]) => ({
        name,
        port: configOf(service).metrics.port,
        job: `fleetcast-${service.environment?.ROLE}`,
      })),
    );
    // The default, /metrics
    expect(scrape_configs.filter(({ metrics_path }) => metrics_path !== undefined)).toEqual([]);
  });

  test('shows the token that the processes want', () => {
    const [token] = new Set(processes.map(([, service]) => configOf(service).metrics.token));
    const asking = scrape_configs.filter(({ dns_sd_configs }) => dns_sd_configs !== undefined);
    const { configs = [] } = compose.services.prometheus ?? {};
    for (const { authorization } of asking)
      expect(configs).toContainEqual({
        source: 'metrics-token',
        target: `/etc/prometheus/${authorization?.credentials_file}`,
      });
    expect(token).toMatch(/^.{16,}$/);
    expect(compose.configs['metrics-token']?.content).toBe(token);
    const own = readCompose({ JWT_SECRET: 'a-secret', METRICS_TOKEN: 'a-token-of-our-own' });
    expect(own.configs['metrics-token']?.content).toBe('a-token-of-our-own');
    expect(configOf(own.services.ingest as ComposeService).metrics.token).toBe('a-token-of-our-own');
  });

  test('tells Alertmanager, and reads the rules that are mounted', () => {
    const [manager] = alerting.alertmanagers.flatMap(({ dns_sd_configs }) => dns_sd_configs);
    expect(manager).toMatchObject({ names: ['alertmanager'], port: 9093 });
    expect(compose.services.alertmanager?.networks).toEqual(compose.services.prometheus?.networks);
    expect(rule_files).toEqual(['rules/*.yml']);
    expect(compose.services.prometheus?.volumes).toContain(
      './deploy/prometheus/rules:/etc/prometheus/rules:ro',
    );
    const [config] = compose.services.alertmanager?.command ?? [];
    expect(config).toBe('--config.file=/etc/alertmanager/alertmanager.yml');
    expect(compose.services.alertmanager?.volumes).toContain('./deploy/alertmanager:/etc/alertmanager:ro');
  });

  test('can reach whom it asks, and reads the file that is mounted', () => {
    const { networks = [], volumes = [], command = [] } = compose.services.prometheus ?? {};
    for (const [, service] of processes) expect(service.networks).toEqual(expect.arrayContaining(networks));
    const [source, target] = volumes[0]?.split(':') ?? [];
    expect(source).toBe('./deploy/prometheus/prometheus.yml');
    expect(command).toContain(`--config.file=${target}`);
  });

  test('is what Grafana reads', () => {
    const folder = './deploy/grafana/provisioning/datasources';
    expect(compose.services.grafana?.volumes?.[0]).toMatch(`${folder}:`);
    const { datasources } = parse(read(`${folder}/prometheus.yml`)) as {
      datasources: { type: string; url: string }[];
    };
    expect(datasources).toMatchObject([{ type: 'prometheus', url: 'http://prometheus:9090' }]);
    expect(compose.services.prometheus?.ports).toContain('127.0.0.1:9090:9090');
  });
});
