import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ensurePartitions } from '../../ingest/partitions.ts';
import { createPositionWriter } from '../../ingest/positions.ts';
import { writePositions } from '../../ingest/sql/write-positions.ts';
import { DAY_MS, logged, type MigratedDatabase, migratedDatabase, NOON } from '../support/history.ts';

type Plan = {
  'Node Type': string;
  'Relation Name'?: string;
  'Conflict Arbiter Indexes'?: string[];
  Plans?: Plan[];
};

let database: MigratedDatabase;

beforeAll(async () => {
  database = await migratedDatabase();
  await ensurePartitions(database.queries, 7, NOON);
  const write = createPositionWriter(database.queries);
  for (let day = 0; day < 4; day++)
    for (let part = 0; part < 5; part++)
      await write(
        Array.from({ length: 1000 }, (_, index) =>
          logged({ driverId: `driver-${index}`, recordedAt: NOON - day * DAY_MS + part }),
        ),
      );
  await database.queries.none('analyze location_history, driver_locations');
});
afterAll(() => database.drop());

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

/** The plan of the product's own statement, as the server has it prepared for this connection. */
function explain(times: number[], mode: string): Promise<Plan[]> {
  const fill = (value: number) => times.map(() => value);
  return database.queries.tx(async (transaction) => {
    await transaction.none(`set local plan_cache_mode = ${mode}`);
    await writePositions(transaction, [logged({ driverId: 'planned' })]);
    const row = await transaction.one<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
      `explain (format json, analyze) execute "write-positions"(
         $(drivers), $(times)::int8[], $(received)::int8[], $(latitudes)::float8[], $(longitudes)::float8[],
         null, null, null, null, null, null)`,
      {
        drivers: times.map((_, index) => `driver-${index}`),
        times,
        received: fill(NOON),
        latitudes: fill(48),
        longitudes: fill(16),
      },
    );
    return nodesOf(row['QUERY PLAN'][0].Plan);
  });
}

const batch = (timeOf: (index: number) => number) => Array.from({ length: 500 }, (_, index) => timeOf(index));

describe.each(['force_custom_plan', 'force_generic_plan'])('with %s', (mode) => {
  test.each([
    ['new positions', batch((index) => NOON + 1000 + index)],
    ['positions of which half are there already', batch((index) => NOON + (index % 2) * 5000)],
    ['a backlog over several days', batch((index) => NOON - (index % 4) * DAY_MS + 7)],
  ])('writing a batch of %s reads nothing but the batch', async (_name, times) => {
    const nodes = await explain(times, mode);
    const tables = nodes.filter((node) => node['Relation Name'] !== undefined);
    // No scan of a table, by whatever way: two inserts, that learn of conflicts from the primary keys
    expect(tables.map((node) => [node['Node Type'], node['Relation Name']]).sort()).toEqual([
      ['ModifyTable', 'driver_locations'],
      ['ModifyTable', 'location_history'],
    ]);
    expect(tables.map((node) => node['Conflict Arbiter Indexes'])).toEqual(
      expect.arrayContaining([['driver_locations_pkey'], ['location_history_pkey']]),
    );
  });
});
