import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import jwt from 'jsonwebtoken';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { queries, rules } from '../support/deploy/monitoring.ts';
import { type Shown, samplesOf, shownBy } from '../support/exposition.ts';
import { connectClient } from '../support/mqtt-client.ts';
import { type Platform, request, startPlatform, TEST_SECRET, token } from '../support/platform.ts';
import { PlatformCluster } from '../support/platform-cluster.ts';
import { type Matcher, readQuery } from '../support/promql.ts';
import { eventually } from '../support/redis.ts';
import { sendRaw } from '../support/rest.ts';

let cluster: PlatformCluster;
let alone: Platform;
let database: TestDatabase;
let everyone: { role: string; platform: Platform }[];

const scrape = async ({ urls }: Platform) => (await fetch(`${urls.metrics}/metrics`)).text();
const shownTo = async (platforms: readonly Platform[]) => shownBy(await Promise.all(platforms.map(scrape)));

/** A driver sends, an operator looks on, and REST is asked: what has labels shows them then. */
async function use({ broker, api }: { broker: Platform; api: Platform }): Promise<void> {
  const [driver, operator] = await Promise.all([
    connectClient(broker.urls.mqtt, await token('DRIVER', 'driver-1')),
    connectClient(broker.urls.ws, await token('OPERATOR', 'operator-1'), { clean: false, clientId: 'desk' }),
  ]);
  await operator.client.subscribeAsync('drivers/+/location');
  const position = JSON.stringify({ latitude: 1, longitude: 2 });
  await driver.client.publishAsync('drivers/driver-1/location', position, { qos: 1 });
  await operator.next(({ topic }) => topic === 'drivers/driver-1/location');
  await Promise.all([driver.end(), operator.end()]);
  const operatorToken = await token('OPERATOR', 'operator-1');
  expect((await request(api, operatorToken, 'GET', '/v1/drivers/driver-1/history')).status).toBe(200);
}

beforeAll(async () => {
  database = await createMigratedDatabase();
  await Promise.all([
    PlatformCluster.start({ brokers: 1, ingests: 1, apis: 1 }).then((started) => {
      cluster = started;
    }),
    // The engine is not there: it is nobody's business here, but one more circuit
    startPlatform({ DATABASE_URL: database.url, OSRM_URL: 'http://127.0.0.1:1' }).then((started) => {
      alone = started;
    }),
  ]);
  const [broker, ingest] = [cluster.brokers[0], cluster.ingests[0]];
  everyone = [
    { role: 'broker', platform: broker as Platform },
    { role: 'ingest', platform: ingest as Platform },
    { role: 'api', platform: cluster.api },
    { role: 'all', platform: alone },
  ];
  await Promise.all([
    use({ broker: broker as Platform, api: cluster.api }),
    use({ broker: alone, api: alone }),
  ]);
});
afterAll(async () => {
  await Promise.all([cluster?.stop(), alone?.stop()]);
  await database?.drop();
});

/** Prometheus' own, and what it makes of our rules. */
const ofPrometheus: Readonly<Record<string, readonly string[]>> = {
  up: ['job', 'instance'],
  ALERTS: ['alertname', 'alertstate', 'severity'],
};
/** Prometheus puts them on all that it asks for. */
const TARGET_LABELS = ['job', 'instance'];

describe('every query of dashboards and rules', () => {
  let shown: Map<string, Shown>;
  const recorded = new Map(
    rules.flatMap(({ record, expr }) => (record === undefined ? [] : [[record, expr]])),
  );

  /** undefined: there is no such metric. */
  function labelsOf(name: string): readonly string[] | undefined {
    const own = shown.get(name);
    if (own !== undefined) return [...own.labels.keys(), ...TARGET_LABELS];
    const expr = recorded.get(name);
    return expr === undefined
      ? ofPrometheus[name]
      : readQuery(expr).groupings.flatMap(({ labels }) => labels);
  }

  /** Of those that a client or a failure has to bring about first, the names of the code are known. */
  function isPossible(name: string, { label, operator, value }: Matcher): boolean {
    const values = [...(shown.get(name)?.labels.get(label) ?? [])];
    // Of these the values come with what happens
    const isOpen = name.startsWith('fleetcast_api_') || values.length === 0 || value.includes('$');
    if (isOpen) return true;
    const pattern = new RegExp(`^(?:${value})$`);
    return values.some((one) => (operator.endsWith('~') ? pattern.test(one) : one === value));
  }

  beforeAll(async () => {
    shown = await eventually(
      () => shownTo(everyone.map(({ platform }) => platform)),
      (all) => all.has('fleetcast_store_seconds_bucket') && all.has('fleetcast_redis_command_seconds_bucket'),
    );
  });

  test('there are some', () => {
    expect(queries.length).toBeGreaterThan(150);
    // It would be noticed
    expect(labelsOf('fleetcast_connection')).toBeUndefined();
    expect(
      isPossible('fleetcast_positions_total', { label: 'verdict', operator: '=', value: 'OVERLOAD' }),
    ).toBe(false);
    expect(() => readQuery('sum(rate(fleetcast_positions_total[5m])')).toThrow('not PromQL');
  });

  test('reads metrics that a process shows, by labels that they have', () => {
    const problems = queries.flatMap(({ where, expr }) => {
      const { selectors, groupings } = readQuery(expr);
      const names = selectors.filter(({ name }) => labelsOf(name) === undefined);
      const matchers = selectors.flatMap(({ name, matchers: all }) =>
        all.filter((matcher) => !labelsOf(name)?.includes(matcher.label) || !isPossible(name, matcher)),
      );
      const by = groupings.flatMap(({ labels, names: of }) =>
        labels.filter((label) => !of.some((name) => labelsOf(name)?.includes(label))),
      );
      return names.length + matchers.length + by.length === 0 ? [] : [{ where, names, matchers, by }];
    });
    expect(problems).toEqual([]);
  });

  test('reads counters and histograms by how they grow, and nothing else', () => {
    const isGrowth = (name: string, expr: string) => new RegExp(`\\b(rate|increase)\\(${name}\\b`).test(expr);
    const problems = queries.filter(({ expr }) =>
      readQuery(expr).selectors.some(({ name }) => {
        const type = shown.get(name)?.type;
        return type !== undefined && (type !== 'gauge') !== isGrowth(name, expr);
      }),
    );
    expect(problems).toEqual([]);
  });
});

describe('each process', () => {
  test('says what it is, and shows how its event loop does', async () => {
    for (const { role, platform } of everyone) {
      const samples = samplesOf(await scrape(platform));
      const build = samples.find(({ name }) => name === 'fleetcast_build_info');
      const mode = role === 'all' && !process.env.TEST_OVER_REDIS ? 'embedded' : 'clustered';
      expect(build).toMatchObject({
        labels: { role, mode, version: expect.stringMatching(/^\d+\.\d+\.\d+/) },
        value: 1,
      });
      for (const quantile of ['p50', 'p90', 'p99'])
        expect(samples.map(({ name }) => name)).toContain(
          `fleetcast_nodejs_eventloop_lag_${quantile}_seconds`,
        );
    }
  });

  test('tells of the log what is true of it', async () => {
    const [broker, ingest] = everyone.map(({ platform }) => platform) as [Platform, Platform];
    const entries = async (platform: Platform) =>
      samplesOf(await scrape(platform)).find(({ name }) => name === 'fleetcast_log_entries')?.value;
    expect(await entries(broker)).toBe(0);
    await eventually(
      () => entries(ingest),
      (waiting) => waiting === 0,
    );
  });
});

describe('whatever strangers send', () => {
  const series = async (platform: Platform) =>
    samplesOf(await scrape(platform))
      // What V8 has collected, and what is done every minute or so, comes in its own time
      .filter(({ name }) => !/^fleetcast_(nodejs|database_query_seconds)_/.test(name))
      .map(({ name, labels }) => `${name}${JSON.stringify(labels)}`)
      .sort();

  /** Signed as ours are, for a role that is none. */
  const oddRole = (role: string) => jwt.sign({ sub: 'someone', role }, TEST_SECRET, { expiresIn: 60 });

  /** Nothing of it repeats itself from one round to the next, but its kind. */
  async function flood(round: string): Promise<void> {
    const wild = (index: number) => `${round}-${index}-${Math.random().toString(36).slice(2)}`;
    const bearer = await token('OPERATOR', 'operator-1');
    const auth = { headers: { authorization: `Bearer ${bearer}` } };
    for (let index = 0; index < 20; index++) {
      const id = wild(index);
      await Promise.all([
        fetch(`${alone.urls.rest}/${id}`),
        fetch(`${alone.urls.rest}/v1/${id}/${id}`, auth),
        fetch(`${alone.urls.rest}/v1/drivers/${id}/location`, auth),
        fetch(`${alone.urls.rest}/v1/trips/${id}?${id}=${id}`, auth),
        fetch(`${alone.urls.rest}/v1/drivers/${id}/location`, { headers: { authorization: `Bearer ${id}` } }),
        fetch(`${alone.urls.rest}/docs/assets/${id}`),
        sendRaw(alone.ports.api, `PROPFIND /${id} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
        sendRaw(alone.ports.api, `MKCOL /v1/trips HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
        connectClient(alone.urls.mqtt, id).catch(() => undefined),
        connectClient(alone.urls.mqtt, oddRole(id)).catch(() => undefined),
      ]);
    }
    const driver = await connectClient(alone.urls.mqtt, await token('DRIVER', 'driver-2'));
    for (let index = 0; index < 20; index++) {
      await driver.client.publishAsync(wild(index), wild(index), { qos: 1 });
      await driver.client.publishAsync('drivers/driver-2/location', wild(index), { qos: 1 });
      await driver.client.publishAsync(`trips/${wild(index)}/transition`, wild(index), { qos: 1 });
    }
    await driver.end();
  }

  test('makes no new series', async () => {
    await flood('first');
    const before = await series(alone);
    await flood('second');
    // The last requests are counted when their connections are closed
    await eventually(
      () => series(alone),
      (after) => after.length >= before.length,
    );
    expect(await series(alone)).toEqual(before);
    const shown = shownBy([await scrape(alone)]);
    const operations = shown.get('fleetcast_database_query_seconds_count')?.labels.get('operation') ?? [];
    for (const operation of operations)
      expect(operation).toMatch(
        /^(select|insert|update|delete|with|begin|commit|rollback|other|write-positions)$/,
      );
    const routes = shown.get('fleetcast_api_requests_total')?.labels;
    expect([...(routes?.get('method') ?? [])].sort()).toEqual(['GET', 'other']);
    for (const route of routes?.get('route') ?? [])
      expect(route).toMatch(/^(unknown|assets|\/[a-z0-9.{}A-Z/]*)$/);
    expect(routes?.get('route')).toContain('/v1/drivers/{driverId}/location');
  });
});
