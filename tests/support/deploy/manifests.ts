import { type Config, readConfig } from '../../../shared/config.ts';
import { type Container, environmentOf, type Manifest, readResources } from './kubernetes.ts';

export const roles = ['broker', 'ingest', 'api'] as const;
export const secret = {
  DATABASE_URL: 'postgresql://fleet:secret@postgres.example.org:5432/fleet',
  REDIS_URL: 'rediss://:secret@redis.example.org:6379',
  JWT_SECRET: 'secret',
  METRICS_TOKEN: 'a-token-for-prometheus',
};
export const resources = readResources();
export const manifests = resources.map(({ manifest }) => manifest);
export const ofKind = (kind: string) => manifests.filter((manifest) => manifest.kind === kind);
export const deployments = ofKind('Deployment');
export const pods = [...deployments, ...ofKind('Job')].map(({ spec }) => spec.template);
export const containerOf = ({ spec }: Manifest) => spec.template.spec.containers[0] as Container;
export const roleOf = ({ metadata }: Manifest) => metadata.labels?.['app.kubernetes.io/component'] ?? '';
export const configOf = (manifest: Manifest): Config =>
  readConfig(environmentOf(containerOf(manifest), secret));
export const deploymentOf = (role: string) => deployments.find((one) => roleOf(one) === role) as Manifest;

/** The ports that a process listens on, by the names that the manifests give them. */
export const listened = ({ role, mqtt, api, metrics }: Config): Record<string, number> => ({
  ...(role === 'broker' ? { mqtt: mqtt.port, 'mqtt-ws': mqtt.wsPort } : {}),
  ...(role === 'api' ? { api: api.port } : {}),
  metrics: metrics.port,
});
export const portNames = (manifest: Manifest) => Object.keys(listened(configOf(manifest)));
