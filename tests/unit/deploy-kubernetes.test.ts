import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { readConfig } from '../../shared/config.ts';
import { STOP_TIMEOUT_MS } from '../../shared/lifecycle.ts';
import {
  expectCommand,
  expectHealthPath,
  expectVariables,
  packageJson,
  ROOT,
  read,
} from '../support/deploy/files.ts';
import {
  environmentOf,
  kustomization,
  type Manifest,
  type Probe,
  readEnv,
} from '../support/deploy/kubernetes.ts';
import { schemaProblems } from '../support/deploy/kubernetes-schema.ts';
import {
  configOf,
  containerOf,
  deploymentOf,
  deployments,
  listened,
  manifests,
  ofKind,
  pods,
  resources,
  roleOf,
  roles,
  secret,
} from '../support/deploy/manifests.ts';

describe('the manifests', () => {
  test('are what Kubernetes allows', () => {
    const problems = resources.map(({ file, manifest }) => ({ file, problems: schemaProblems(manifest) }));
    expect(problems.filter((found) => found.problems.length > 0)).toEqual([]);
  });

  test('would not be with a wrong type, a missing field or a misspelt one', () => {
    const { spec, ...rest } = deploymentOf('api');
    expect(schemaProblems({ ...rest, spec: { ...spec, replicas: '3' } } as never)).not.toEqual([]);
    expect(schemaProblems({ ...rest, spec: { ...spec, selector: undefined } } as never)).not.toEqual([]);
    const { containers, ...pod } = spec.template.spec;
    const misspelt = containers.map((container) => ({ ...container, readinesProbe: {} }));
    const template = { ...spec.template, spec: { ...pod, containers: misspelt } };
    expect(schemaProblems({ ...rest, spec: { ...spec, template } } as never)).toEqual([
      'unknown field /spec/template/spec/containers/0/readinesProbe',
    ]);
  });

  test('are those that the kustomization names, and no others', () => {
    const there = readdirSync(join(ROOT, 'deploy/kubernetes')).filter((file) => file !== 'secret.env');
    const [config, secrets] = [kustomization.configMapGenerator[0], kustomization.secretGenerator[0]];
    const named = ['kustomization.yaml', ...kustomization.resources, ...(config?.envs ?? [])];
    expect(there.sort()).toEqual(
      [...named, ...(secrets?.envs ?? []).map((file) => `${file}.example`)].sort(),
    );
    expect(read('.gitignore').split('\n')).toContain(`deploy/kubernetes/${secrets?.envs[0]}`);
    const names = manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
    expect(ofKind('Namespace')[0]?.metadata.name).toBe(kustomization.namespace);
  });

  test('run this version of the one image', () => {
    const [image] = kustomization.images;
    expect(kustomization.images).toHaveLength(1);
    expect(image?.newTag).toBe(packageJson.version);
    for (const { spec } of pods) expect(spec.containers.map((one) => one.image)).toEqual([image?.name]);
  });

  test('have three of each role', () => {
    expect(deployments.map(roleOf)).toEqual([...roles]);
    for (const deployment of deployments) {
      expect(deployment.spec.replicas).toBe(3);
      expect(configOf(deployment).role).toBe(roleOf(deployment));
    }
  });
});

describe('every process', () => {
  test('gets variables that it reads, and values that it takes', () => {
    for (const deployment of deployments) {
      const { CORS_ORIGINS, ...environment } = environmentOf(containerOf(deployment), secret);
      expectVariables([...Object.keys(environment), 'CORS_ORIGINS']);
      expect(CORS_ORIGINS).toBe('');
      const config = configOf(deployment);
      expect(config).toMatchObject({ databaseUrl: secret.DATABASE_URL, redisUrl: secret.REDIS_URL });
      expect(config.jwt.secret).toBe(secret.JWT_SECRET);
      expect(config.metrics.token).toBe(secret.METRICS_TOKEN);
      expect(config.api.publicUrl).toMatch(/^https:/);
      expect(new URL(config.api.publicMqttWsUrl)).toMatchObject({ protocol: 'wss:', pathname: '/mqtt' });
    }
  });

  test('takes them from the ConfigMap and the Secret that are made', () => {
    for (const { spec } of pods)
      for (const { envFrom } of spec.containers)
        expect(envFrom).toEqual([
          { configMapRef: { name: kustomization.configMapGenerator[0]?.name } },
          { secretRef: { name: kustomization.secretGenerator[0]?.name } },
        ]);
    // Else API_PORT and MQTT_PORT would be tcp://… as soon as somebody has Services of these names
    for (const { spec } of pods) expect(spec.enableServiceLinks).toBe(false);
  });

  test('does not start on the secrets of the example', () => {
    expect(Object.values(readEnv('secret.env.example'))).toEqual(['', '', '', '']);
    for (const deployment of deployments)
      expect(() => readConfig(environmentOf(containerOf(deployment), {}))).toThrow(
        /^JWT_SECRET, JWT_PUBLIC_KEY_FILE or JWT_JWKS_URL is required in clustered mode\nDATABASE_URL is required .*\nREDIS_URL is/,
      );
  });

  test('opens the ports that it listens on, and is asked on one of them', async () => {
    for (const deployment of deployments) {
      const container = containerOf(deployment);
      const ports = Object.fromEntries(
        (container.ports ?? []).map((port) => [port.name, port.containerPort]),
      );
      expect(ports).toEqual(listened(configOf(deployment)));
      const { startupProbe, livenessProbe, readinessProbe } = container;
      for (const probe of [startupProbe, livenessProbe, readinessProbe]) {
        expect(probe?.httpGet.port).toBe('metrics');
        await expectHealthPath(probe?.httpGet.path);
      }
      expect(livenessProbe?.httpGet.path).toBe('/health/live');
      expect(readinessProbe?.httpGet.path).toBe('/health/ready');
      const annotations = deployment.spec.template.metadata.annotations ?? {};
      expect(annotations['prometheus.io/port']).toBe(String(configOf(deployment).metrics.port));
    }
  });

  test('is not cut off from its clients while the database is away for half a minute', () => {
    for (const deployment of deployments) {
      const { periodSeconds, failureThreshold } = containerOf(deployment).readinessProbe as Probe;
      expect(periodSeconds * failureThreshold).toBeGreaterThanOrEqual(300);
    }
  });

  test('has the time to let its clients go', () => {
    for (const deployment of deployments) {
      const { terminationGracePeriodSeconds = 30 } = deployment.spec.template.spec;
      const [program = 'sleep', seconds = '0'] =
        containerOf(deployment).lifecycle?.preStop.exec.command ?? [];
      expect(program).toBe('sleep');
      expect(terminationGracePeriodSeconds).toBeGreaterThan(Number(seconds) + STOP_TIMEOUT_MS / 1000);
    }
  });

  test('may do nothing that it does not need', () => {
    for (const { spec } of pods) {
      expect(spec.automountServiceAccountToken).toBe(false);
      expect(spec.securityContext).toEqual({
        runAsNonRoot: true,
        runAsUser: 1000,
        runAsGroup: 1000,
        seccompProfile: { type: 'RuntimeDefault' },
      });
      for (const { securityContext } of spec.containers)
        expect(securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
    }
  });

  test('says what it needs', () => {
    for (const { spec } of pods)
      for (const { resources: needs } of spec.containers) {
        expect(Object.keys(needs.requests).sort()).toEqual(['cpu', 'memory']);
        expect(Object.keys(needs.limits)).toEqual(['memory']);
      }
  });

  test('mounts volumes that it has', () => {
    for (const { spec } of pods)
      for (const { volumeMounts = [] } of spec.containers)
        expect(volumeMounts.map(({ name }) => name)).toEqual((spec.volumes ?? []).map(({ name }) => name));
  });
});

test('the Job migrates', () => {
  const [job] = ofKind('Job');
  expectCommand(containerOf(job as Manifest).command);
  expect(containerOf(job as Manifest).command?.at(-1)).toBe('dist/tools/migrate.js');
});

test('config.env counts the connections right', () => {
  const processes = ofKind('HorizontalPodAutoscaler').reduce((sum, { spec }) => sum + spec.maxReplicas, 0);
  const connections = processes * configOf(deploymentOf('api')).databasePoolSize;
  expect(read('deploy/kubernetes/config.env')).toContain(
    `at most ${processes} of them (10 of each role) have ${connections} connections`,
  );
});
