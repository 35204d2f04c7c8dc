import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { variables } from '../../shared/config/variables.ts';
import { exists, ROOT, read } from '../support/deploy/files.ts';
import { type Manifest, readResources } from '../support/deploy/kubernetes.ts';
import { schemaProblems } from '../support/deploy/kubernetes-schema.ts';

const text = read('deploy/README.md');
const blocks = [...text.matchAll(/```(\w+)\n(.*?)```/gs)].map(([, language, code = '']) => ({
  language,
  code,
}));

test('every variable that it names is read by the product, or by the Compose file', () => {
  const compose = new Set([...read('docker-compose.yml').matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name));
  const named = [...text.matchAll(/`([A-Z]+_[A-Z_]+)(?:=[^`]*)?`/g)].map(([, name = '']) => name);
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((name) => !(name in variables.properties) && !compose.has(name))).toEqual([]);
});

test('every variable that the Compose file takes is named', () => {
  const taken = [...read('docker-compose.yml').matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name ?? '');
  expect(taken.filter((name) => !text.includes(name))).toEqual([]);
});

test('every link leads to a file, and every file of the folder is behind one', () => {
  const links = [...text.matchAll(/\]\(([^)#]+)\)/g)].map(([, link = '']) => link);
  expect(links.filter((link) => !exists(join('deploy', link)))).toEqual([]);
  const entries = readdirSync(join(ROOT, 'deploy')).filter((entry) => entry !== 'README.md');
  expect(entries.filter((entry) => !links.some((link) => link.startsWith(entry)))).toEqual([]);
  expect(read('README.md')).toContain('(deploy/README.md)');
});

test('its Ingress is what Kubernetes allows, and leads to ports of our Services', () => {
  const ingress = blocks
    .filter(({ language }) => language === 'yaml')
    .map(({ code }) => parse(code) as Manifest & { spec: { rules: Rule[] } })
    .find(({ kind }) => kind === 'Ingress');
  expect(ingress && schemaProblems(ingress)).toEqual([]);
  const services = readResources().map(({ manifest }) => manifest);
  for (const { backend } of ingress?.spec.rules[0]?.http.paths ?? []) {
    const { name, port } = backend.service;
    const service = services.find(({ kind, metadata }) => kind === 'Service' && metadata.name === name);
    expect(service?.spec.ports.map((open) => open.name)).toContain(port.name);
  }
});

type Rule = { http: { paths: { backend: { service: { name: string; port: { name: string } } } }[] } };

test('its scripts are the image’s and the repository’s', () => {
  const scripts = [...text.matchAll(/\bdist\/([\w/-]+)\.js\b/g)].map(([, path]) => `${path}.ts`);
  expect(scripts.length).toBeGreaterThan(0);
  expect(scripts.filter((path) => !exists(path))).toEqual([]);
});
