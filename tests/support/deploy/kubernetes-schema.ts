import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import { Job } from 'kubernetes-models/batch/v1/Job';
import { Ingress } from 'kubernetes-models/networking.k8s.io/v1/Ingress';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { Namespace } from 'kubernetes-models/v1/Namespace';
import { Service } from 'kubernetes-models/v1/Service';

type Model = { validate(): void };
type ModelClass = { prototype: Model; apiVersion: string; kind: string };

const models = new Map<string, ModelClass>(
  [
    Deployment,
    HorizontalPodAutoscaler,
    Ingress,
    Job,
    NetworkPolicy,
    PodDisruptionBudget,
    Namespace,
    Service,
  ].map((model) => [`${model.apiVersion} ${model.kind}`, model]),
);

/** Every object and array below `value`, made to note which of its fields are read. */
function noting<T>(value: T, path: string, unread: Set<string>): T {
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => {
    const itemPath = `${path}/${key}`;
    unread.add(itemPath);
    return [key, noting(item, itemPath, unread)] as const;
  });
  const copy = Array.isArray(value) ? entries.map(([, item]) => item) : Object.fromEntries(entries);
  return new Proxy(copy as T & object, {
    get(target, key, receiver) {
      if (typeof key === 'string') unread.delete(`${path}/${key}`);
      return Reflect.get(target, key, receiver);
    },
  });
}

/**
 * What Kubernetes' own schemas (compiled from its OpenAPI document) have against a manifest. They let fields pass that they don't know,
 * which the API server refuses: a field that they never looked at is one.
 */
export function schemaProblems(manifest: { apiVersion: string; kind: string }): string[] {
  const model = models.get(`${manifest.apiVersion} ${manifest.kind}`);
  if (model === undefined) return [`no schema for ${manifest.apiVersion} ${manifest.kind}`];
  const unread = new Set<string>();
  try {
    // Not of a new one: its constructor would copy what it is given, and so read all of it
    model.prototype.validate.call(noting(manifest, '', unread));
  } catch (error) {
    return [(error as Error).message];
  }
  return [...unread].map((path) => `unknown field ${path}`);
}
