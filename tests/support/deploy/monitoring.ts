import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { ROOT, read } from './files.ts';

export type Rule = {
  record?: string;
  alert?: string;
  expr: string;
  for?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
};

export type RuleFile = { groups: { name: string; interval?: string; rules: Rule[] }[] };

export type Panel = {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: { type: string; uid: string };
  fieldConfig?: { defaults: { unit: string } };
  targets?: { refId: string; expr: string; legendFormat: string; datasource: { uid: string } }[];
};

export type Dashboard = {
  uid: string;
  title: string;
  schemaVersion: number;
  annotations: { list: { expr: string }[] };
  templating: { list: { name: string; type: string; query: { query: string } }[] };
  panels: Panel[];
};

const filesOf = (folder: string, ending: string) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name}`);

export const ruleFiles = filesOf('deploy/prometheus/rules', '.yml').map((path) => ({
  path,
  file: parse(read(path)) as RuleFile,
}));

export const rules = ruleFiles.flatMap(({ file }) => file.groups.flatMap((group) => group.rules));

export const dashboards = filesOf('deploy/grafana/dashboards', '.json').map((path) => ({
  path,
  dashboard: JSON.parse(read(path)) as Dashboard,
}));

/** `label_values(METRIC{…}, LABEL)` asks for a label of METRIC. */
const metricOf = (variable: string) => /^label_values\((.+), (\w+)\)$/.exec(variable)?.[1] ?? variable;

/** Every query of rules and dashboards, with where it stands. */
export const queries: readonly { where: string; expr: string }[] = [
  ...rules.map(({ record, alert, expr }) => ({ where: record ?? alert ?? '', expr })),
  ...dashboards.flatMap(({ path, dashboard }) => [
    ...dashboard.panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({ where: `${path}: ${title}`, expr })),
    ),
    ...dashboard.annotations.list.map(({ expr }) => ({ where: `${path}: annotations`, expr })),
    ...dashboard.templating.list.map(({ query }) => ({
      where: `${path}: variables`,
      expr: metricOf(query.query),
    })),
  ]),
];
