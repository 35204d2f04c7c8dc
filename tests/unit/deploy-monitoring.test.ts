import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { readCompose } from '../support/deploy/compose.ts';
import { read } from '../support/deploy/files.ts';
import { dashboards, queries, ruleFiles, rules } from '../support/deploy/monitoring.ts';
import { readQuery } from '../support/promql.ts';

const alerts = rules.filter(({ alert }) => alert !== undefined);
const operations = read('docs/OPERATIONS.md');

test('every query is PromQL', () => {
  for (const { expr } of queries) expect(() => readQuery(expr)).not.toThrow();
});

describe('the rules', () => {
  test('have names by the rules, each once', () => {
    const names = rules.map(({ alert, record }) => alert ?? record ?? '');
    expect(new Set(names).size).toBe(names.length);
    for (const { alert, record } of rules)
      if (record !== undefined) expect(record).toMatch(/^fleetcast:[a-z_]+:[a-z0-9_]+$/);
      else expect(alert).toMatch(/^Fleetcast[A-Z][A-Za-z]+$/);
    const groups = ruleFiles.flatMap(({ file }) => file.groups.map(({ name }) => name));
    expect(new Set(groups).size).toBe(groups.length);
  });

  test('use every share that is recorded, over every window that an alert compares', () => {
    const used = new Set(queries.flatMap(({ expr }) => readQuery(expr).selectors.map(({ name }) => name)));
    const recorded = rules.flatMap(({ record = [] }) => record);
    expect(recorded.filter((name) => !used.has(name))).toEqual([]);
  });

  test('have alerts with a severity, a promise, words and a section that says what to do', () => {
    expect(alerts.length).toBeGreaterThan(25);
    for (const { alert = '', labels = {}, annotations = {} } of alerts) {
      expect(Object.keys(labels).sort()).toEqual(['promise', 'severity']);
      expect(labels.severity).toMatch(/^(critical|warning)$/);
      expect(labels.promise).toMatch(/^(kept|nothing-blocks|bounded|private)$/);
      expect(Object.keys(annotations).sort()).toEqual(['description', 'runbook', 'summary']);
      expect(annotations.runbook).toBe(`docs/OPERATIONS.md#${alert.toLowerCase()}`);
      const [, section = ''] = operations.split(new RegExp(`^### ${alert}$`, 'm'));
      expect({ alert, text: section.split('\n#')[0]?.trim() }).toEqual({
        alert,
        text: expect.stringMatching(/\w.{20}/),
      });
    }
    const sections = [...operations.matchAll(/^### (\S+)$/gm)].map(([, name]) => name);
    expect(sections.sort()).toEqual(alerts.map(({ alert }) => alert).sort());
  });

  test('burn a budget over a long window and a short one', () => {
    const budget = alerts.filter(({ expr }) => /ratio_rate/.test(expr));
    expect(budget.map(({ labels }) => labels?.severity)).toEqual(
      Array.from({ length: 4 }, () => ['critical', 'warning']).flat(),
    );
    for (const { expr, labels } of budget) {
      const windows = [...expr.matchAll(/ratio_rate(\w+) > ([\d.]+) \*/g)].map(([, window, factor]) => [
        window,
        factor,
      ]);
      expect(windows).toEqual(
        labels?.severity === 'critical'
          ? [
              ['1h', '14.4'],
              ['5m', '14.4'],
              ['6h', '6'],
              ['30m', '6'],
            ]
          : [
              ['1d', '3'],
              ['2h', '3'],
              ['3d', '1'],
              ['6h', '1'],
            ],
      );
    }
  });

  test('are tested by promtool with rules that are there', () => {
    const file = parse(read('deploy/prometheus/rules.test.yml')) as {
      rule_files: string[];
      tests: { alert_rule_test: { alertname: string }[] }[];
    };
    expect(file.rule_files.map((path) => `deploy/prometheus/${path}`).sort()).toEqual(
      ruleFiles.map(({ path }) => path).sort(),
    );
    const names = alerts.map(({ alert }) => alert);
    for (const { alert_rule_test } of file.tests)
      for (const { alertname } of alert_rule_test) expect(names).toContain(alertname);
  });
});

describe('the dashboards', () => {
  test('are an overview, broker, ingest, api and infrastructure, found by Grafana', () => {
    expect(dashboards.map(({ dashboard }) => dashboard.uid).sort()).toEqual(
      ['api', 'broker', 'infrastructure', 'ingest', 'overview'].map((name) => `fleetcast-${name}`),
    );
    const provider = parse(read('deploy/grafana/provisioning/dashboards/fleetcast.yml')) as {
      providers: { options: { path: string } }[];
    };
    const { volumes = [] } = readCompose({ JWT_SECRET: 'x' }).services.grafana ?? {};
    expect(volumes).toContain(`./deploy/grafana/dashboards:${provider.providers[0]?.options.path}:ro`);
    expect(volumes).toContain(
      './deploy/grafana/provisioning/dashboards:/etc/grafana/provisioning/dashboards:ro',
    );
  });

  test.each(dashboards.map(({ path, dashboard }) => ({ path, dashboard })))(
    '$path has panels with a unit, that lie beside each other, over the data source that is provisioned',
    ({ dashboard }) => {
      const { datasources } = parse(read('deploy/grafana/provisioning/datasources/prometheus.yml')) as {
        datasources: { uid: string }[];
      };
      const { panels, templating } = dashboard;
      expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
      expect(templating.list.map(({ name }) => name)).toEqual(['role', 'instance']);
      const taken = new Set<string>();
      for (const { type, title, gridPos, fieldConfig, datasource, targets = [] } of panels) {
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
            expect({ title, isFree: !taken.has(`${x} ${y}`) && x < 24 }).toEqual({ title, isFree: true });
            taken.add(`${x} ${y}`);
          }
        if (type === 'row') continue;
        expect(datasource?.uid).toBe(datasources[0]?.uid);
        expect({ title, unit: fieldConfig?.defaults.unit }).toEqual({
          title,
          unit: expect.stringMatching(/^(short|s|bytes|percentunit|cps|ops|reqps)$/),
        });
        expect(targets.length).toBeGreaterThan(0);
        expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
      }
    },
  );
});

type Route = { receiver: string; matchers?: string[]; group_by?: string[]; routes?: Route[] };
type Alertmanager = {
  route: Route;
  receivers: {
    name: string;
    pagerduty_configs?: { routing_key_file: string; routing_key?: string }[];
    webhook_configs?: unknown[];
    email_configs?: unknown[];
  }[];
  inhibit_rules: { source_matchers: string[]; target_matchers: string[] }[];
};

describe('the example for Alertmanager', () => {
  const text = read('deploy/alertmanager/alertmanager.yml');
  const { route, receivers, inhibit_rules } = parse(text) as Alertmanager;
  const receiverOf = (severity: string) => {
    const name = route.routes?.find(({ matchers }) =>
      matchers?.includes(`severity = "${severity}"`),
    )?.receiver;
    return receivers.find((one) => one.name === name);
  };

  test('wakes somebody up for critical ones alone, with a key that is in a file', () => {
    const [pager] = receiverOf('critical')?.pagerduty_configs ?? [];
    expect(pager?.routing_key_file).toMatch(/^\/etc\/alertmanager\/secrets\//);
    expect(text).not.toMatch(/(routing_key|password|api_url): /);
    expect(read('.gitignore').split('\n')).toContain('deploy/alertmanager/secrets/');
    const warnings = receiverOf('warning');
    expect(warnings?.pagerduty_configs).toBeUndefined();
    expect(warnings?.webhook_configs).toHaveLength(1);
    expect(warnings?.email_configs).toHaveLength(1);
  });

  test('groups, and holds back what follows from something worse: alerts that are there', () => {
    expect(route.group_by).toEqual(['promise', 'alertname']);
    const named = inhibit_rules
      .flatMap(({ source_matchers, target_matchers }) => [...source_matchers, ...target_matchers])
      .flatMap((matcher) => [...matcher.matchAll(/Fleetcast\w+/g)].map(([name]) => name));
    expect(named.length).toBeGreaterThan(15);
    const names = alerts.map(({ alert }) => alert);
    expect(named.filter((name) => !names.includes(name))).toEqual([]);
  });
});
