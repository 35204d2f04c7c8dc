import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Bench, type Broker } from '../support/conformance/bench.ts';
import { platformBroker, type RelayProcess, startRelay } from '../support/conformance/brokers.ts';
import { withStatements } from '../support/conformance/document.ts';
import { type Statement, statements } from '../support/conformance/index.ts';
import { type Fleet, startFleet } from '../support/fleet.ts';

/*
 * The normative statements of MQTT 3.1.1, each held against the platform with authentication on, and against the same broker with a
 * policy that relays every topic, for what the platform's own topics never show. Some take seconds: all are checked at the same time.
 */

let fleet: Fleet;
let relay: RelayProcess;
const outcomes = new Map<string, unknown>();

const rows = (['platform', 'relay'] as const).flatMap((name) =>
  statements
    .filter(({ check, on = name }) => check !== undefined && on === name)
    .map((statement) => ({ name, ...statement, key: `${name} ${statement.id}` })),
);

/** At a time: a machine that is busy with more would be slow for each. */
const TOGETHER = 12;

async function outcomeOf(broker: Broker, { check }: Statement): Promise<unknown> {
  const bench = await Bench.of(broker);
  try {
    await check?.(bench);
    return undefined;
  } catch (error) {
    return error;
  } finally {
    bench.end();
  }
}

beforeAll(async () => {
  [fleet, relay] = await Promise.all([startFleet(), startRelay()]);
  const brokers = { platform: platformBroker(fleet.platform), relay: relay.broker };
  const waiting = [...rows];
  const work = async () => {
    for (let row = waiting.shift(); row !== undefined; row = waiting.shift())
      outcomes.set(row.key, await outcomeOf(brokers[row.name], row));
  };
  await Promise.all(Array.from({ length: TOGETHER }, work));
}, 120_000);
afterAll(async () => {
  await Promise.all([fleet?.stop(), relay?.stop()]);
});

test('each statement is checked, or it is said why it is not, and each stands once', () => {
  const ids = statements.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { id, check, unseen } of statements)
    expect([id, (check === undefined) !== (unseen === undefined)]).toEqual([id, true]);
});

test('docs/MQTT.md has the statements as they are here', async () => {
  const page = await readFile(new URL('../../docs/MQTT.md', import.meta.url), 'utf8');
  expect(withStatements(page, statements)).toBe(page);
});

describe.each(['platform', 'relay'] as const)('on the %s:', (name) => {
  test.each(rows.filter((row) => row.name === name))('[MQTT-$id] $says', ({ key }) => {
    const error = outcomes.get(key);
    if (error !== undefined) throw error;
    expect(outcomes.has(key)).toBe(true);
  });
});
