import { describe, expect, test } from '@jest/globals';
import { selects } from '../support/deploy/kubernetes.ts';
import {
  configOf,
  containerOf,
  deploymentOf,
  deployments,
  listened,
  ofKind,
  portNames,
  roleOf,
  roles,
  secret,
} from '../support/deploy/manifests.ts';

describe('selectors', () => {
  const labelsOf = (role: string) => deploymentOf(role).spec.template.metadata.labels;
  const picked = (selector: Record<string, string>) =>
    roles.filter((role) => selects(selector, labelsOf(role)));

  test('of Deployments, budgets and spreading pick the pods of one role', () => {
    for (const deployment of [...deployments, ...ofKind('PodDisruptionBudget')])
      expect(picked(deployment.spec.selector.matchLabels)).toEqual([roleOf(deployment)]);
    for (const { spec } of deployments)
      expect(spec.template.spec.topologySpreadConstraints?.[0]?.labelSelector).toEqual(spec.selector);
    expect(ofKind('PodDisruptionBudget').map(roleOf)).toEqual([...roles]);
  });

  test('of Services pick pods that have the port', () => {
    const services = ofKind('Service').map(({ metadata, spec }) => ({
      name: metadata.name,
      roles: picked(spec.selector),
      ports: spec.ports.map(({ port, targetPort }) => ({ port, targetPort })),
    }));
    expect(services).toEqual([
      { name: 'fleetcast-mqtt', roles: ['broker'], ports: [{ port: 1883, targetPort: 'mqtt' }] },
      { name: 'fleetcast-mqtt-ws', roles: ['broker'], ports: [{ port: 8083, targetPort: 'mqtt-ws' }] },
      { name: 'fleetcast-api', roles: ['api'], ports: [{ port: 8096, targetPort: 'api' }] },
      { name: 'fleetcast-metrics', roles: [...roles], ports: [{ port: 9096, targetPort: 'metrics' }] },
    ]);
    for (const { roles: those, ports } of services)
      for (const role of those)
        for (const { port, targetPort } of ports)
          expect(listened(configOf(deploymentOf(role)))[targetPort]).toBe(port);
  });

  test('of network policies open the ports of a role to everybody, and metrics to Prometheus alone', () => {
    const [all, ...open] = ofKind('NetworkPolicy').map(({ spec }) => spec);
    expect(picked(all?.podSelector.matchLabels ?? { none: '' })).toEqual([...roles]);
    expect(all?.policyTypes).toEqual(['Ingress', 'Egress']);
    expect(all?.ingress.map(({ from, ports }) => [from?.length, ports[0]?.port])).toEqual([[1, 'metrics']]);
    const stores = [secret.DATABASE_URL, secret.REDIS_URL].map((url) => Number(new URL(url).port));
    const reached = all?.egress?.flatMap(({ ports }) => ports.map(({ port }) => port));
    expect(reached).toEqual(expect.arrayContaining(stores));
    for (const { podSelector, ingress } of open) {
      const [role = ''] = picked(podSelector.matchLabels);
      const ports = ingress.flatMap((rule) => rule.ports.map(({ port }) => port));
      expect([...ports, 'metrics']).toEqual(portNames(deploymentOf(role)));
    }
    expect(open.flatMap(({ podSelector }) => picked(podSelector.matchLabels))).toEqual(['broker', 'api']);
  });

  test('of autoscalers find their Deployment, from 3 to 10', () => {
    for (const [index, { spec }] of ofKind('HorizontalPodAutoscaler').entries()) {
      expect(spec.scaleTargetRef).toMatchObject({
        kind: 'Deployment',
        name: deploymentOf(roles[index] ?? '').metadata.name,
      });
      expect(spec).toMatchObject({ minReplicas: 3, maxReplicas: 10 });
      for (const { resource } of spec.metrics)
        expect(Object.keys(containerOf(deploymentOf(roles[index] ?? '')).resources.requests)).toContain(
          resource.name,
        );
    }
    expect(ofKind('HorizontalPodAutoscaler')).toHaveLength(roles.length);
  });
});
