import { parseEnv } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';
import { read } from './files.ts';

const FOLDER = 'deploy/kubernetes';

export type Labels = Record<string, string>;

export type Probe = {
  httpGet: { path: string; port: string };
  periodSeconds: number;
  failureThreshold: number;
};

export type Container = {
  name: string;
  image: string;
  command?: string[];
  env?: { name: string; value: string }[];
  envFrom: { configMapRef?: { name: string }; secretRef?: { name: string } }[];
  ports?: { name: string; containerPort: number }[];
  startupProbe?: Probe;
  livenessProbe?: Probe;
  readinessProbe?: Probe;
  lifecycle?: { preStop: { exec: { command: string[] } } };
  resources: { requests: Record<string, string>; limits: Record<string, string> };
  securityContext: object;
  volumeMounts?: { name: string; mountPath: string }[];
};

export type Pod = {
  metadata: { labels: Labels; annotations?: Record<string, string> };
  spec: {
    automountServiceAccountToken: boolean;
    enableServiceLinks: boolean;
    securityContext: object;
    terminationGracePeriodSeconds?: number;
    topologySpreadConstraints?: { labelSelector: { matchLabels: Labels } }[];
    containers: Container[];
    volumes?: { name: string }[];
  };
};

type Selector = { matchLabels: Labels };
type PolicyPort = { protocol: string; port: string | number };

/** As far as deploy/kubernetes uses them; a field of another kind is not there. */
export type Manifest = {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels?: Labels };
  spec: {
    replicas: number;
    selector: Selector & Labels;
    template: Pod;
    type?: string;
    clusterIP?: string;
    ports: { name: string; port: number; targetPort: string }[];
    scaleTargetRef: { kind: string; name: string };
    minReplicas: number;
    maxReplicas: number;
    metrics: { resource: { name: string } }[];
    podSelector: Selector;
    policyTypes: string[];
    ingress: { from?: object[]; ports: PolicyPort[] }[];
    egress?: { to?: object[]; ports: PolicyPort[] }[];
  };
};

export type Kustomization = {
  namespace: string;
  resources: string[];
  configMapGenerator: { name: string; envs: string[] }[];
  secretGenerator: { name: string; envs: string[] }[];
  images: { name: string; newName: string; newTag: string }[];
};

export const kustomization = parse(read(`${FOLDER}/kustomization.yaml`)) as Kustomization;

export type Resource = { file: string; manifest: Manifest };

/** Every document of every file that the kustomization names, as written. */
export function readResources(): Resource[] {
  return kustomization.resources.flatMap((file) =>
    parseAllDocuments(read(`${FOLDER}/${file}`)).map((document) => {
      if (document.errors.length > 0) throw new Error(`${file}: ${document.errors.join(', ')}`);
      return { file, manifest: document.toJS() as Manifest };
    }),
  );
}

/** What a process has in its environment: of the ConfigMap, of a filled-in Secret, and its own. */
export function environmentOf(container: Container, secret: Record<string, string>): Record<string, string> {
  const own = Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value]));
  return { ...readEnv('config.env'), ...readEnv('secret.env.example'), ...secret, ...own };
}

export const readEnv = (file: string): Record<string, string> =>
  parseEnv(read(`${FOLDER}/${file}`)) as Record<string, string>;

/** Whether a selector picks what has these labels. */
export const selects = (selector: Labels, labels: Labels): boolean =>
  Object.entries(selector).every(([name, value]) => labels[name] === value);
