import { readdirSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openEmbeddedDatabase } from '../../shared/database/embedded.ts';
import type { Queries } from '../../shared/database/index.ts';
import { migrate } from '../../shared/database/migrate.ts';
import { connect } from '../../shared/database/postgres.ts';
import { spawn } from '../support/child-process.ts';
import { createTestDatabase } from '../support/database.ts';
import { silent } from '../support/history.ts';
import { compiled, temporaryDataDir } from '../support/platform.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MIGRATIONS = readdirSync(`${ROOT}/migrations`)
  .map((file) => file.replace('.sql', ''))
  .sort();

type Opened = { url: string; queries: Queries; close(): Promise<void> };

async function postgres(): Promise<Opened> {
  const database = await createTestDatabase();
  const pool = connect(database.url, { poolSize: 2 });
  return {
    url: database.url,
    queries: pool.queries,
    async close() {
      await pool.close();
      await database.drop();
    },
  };
}

async function embedded(): Promise<Opened> {
  const dataDir = await temporaryDataDir();
  const lost: Error[] = [];
  const database = await openEmbeddedDatabase(dataDir.path, (error) => lost.push(error));
  return {
    url: database.connectionString,
    queries: database.queries,
    async close() {
      await database.close();
      await dataDir.remove();
      expect(lost).toEqual([]);
    },
  };
}

type SchemaPart = { table: string; name: string; definition: string; more: string };

/** All that migrations make: what stands there afterwards, whatever the way to it. */
async function schemaOf(queries: Queries): Promise<SchemaPart[]> {
  return queries.any(`
    select relname as table, attname as name, format_type(atttypid, atttypmod) as definition, attnotnull::text as more
      from pg_attribute join pg_class on pg_class.oid = attrelid
     where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and attnum > 0 and not attisdropped
       and relname not in ('spatial_ref_sys', 'migrations')
    union all
    select conrelid::regclass::text, conname, pg_get_constraintdef(oid), ''
      from pg_constraint where connamespace = 'public'::regnamespace
       and conrelid::regclass::text not in ('spatial_ref_sys', 'migrations', '-')
    union all
    select tablename, indexname, indexdef, '' from pg_indexes
     where schemaname = 'public' and tablename not in ('spatial_ref_sys', 'migrations')
     order by 1, 2, 3`);
}

const tablesOf = async (queries: Queries): Promise<string[]> => {
  const rows = await queries.any<{ name: string }>(`
    select relname as name from pg_class
     where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and relname <> 'spatial_ref_sys'
     order by relname`);
  return rows.map(({ name }) => name);
};

describe.each([
  ['PostgreSQL', postgres],
  ['the embedded database', embedded],
])('on %s', (_name, open) => {
  let database: Opened;
  beforeAll(async () => {
    database = await open();
  }, 180_000);
  afterAll(() => database.close());

  test('all migrations go up, down and up again, and leave the same schema', async () => {
    expect(await migrate(database.url, silent)).toEqual(MIGRATIONS);
    const schema = await schemaOf(database.queries);
    expect(await migrate(database.url, silent)).toEqual([]);

    expect(await migrate(database.url, silent, 'down')).toEqual(MIGRATIONS.toReversed());
    expect(await tablesOf(database.queries)).toEqual(['migrations']);

    expect(await migrate(database.url, silent)).toEqual(MIGRATIONS);
    expect(await schemaOf(database.queries)).toEqual(schema);
  });

  test('each migration can be taken back by itself', async () => {
    const schemas = [await schemaOf(database.queries)];
    for (const migration of MIGRATIONS.toReversed()) {
      expect(await migrate(database.url, silent, 'down', 1)).toEqual([migration]);
      schemas.push(await schemaOf(database.queries));
    }
    for (const migration of MIGRATIONS) {
      schemas.pop();
      expect(await migrate(database.url, silent, 'up', 1)).toEqual([migration]);
      expect(await schemaOf(database.queries)).toEqual(schemas.at(-1));
    }
  });

  test('places are geography, positions have their key, and what is searched has its index', async () => {
    const schema = await schemaOf(database.queries);
    const columns = schema.filter(({ definition }) => definition.startsWith('geography'));
    expect(columns.map(({ table, name, definition }) => [table, name, definition])).toEqual([
      ['driver_locations', 'location', 'geography(Point,4326)'],
      ['location_history', 'location', 'geography(Point,4326)'],
      ['trip_tracking', 'dropoff', 'geography(Point,4326)'],
      ['trip_tracking', 'pickup', 'geography(Point,4326)'],
    ]);
    const definitions = schema.map(({ table, definition }) => `${table}: ${definition}`);
    expect(definitions).toEqual(
      expect.arrayContaining([
        'driver_locations: PRIMARY KEY (driver_id)',
        'location_history: PRIMARY KEY (driver_id, recorded_at)',
        expect.stringMatching(/^driver_locations: .*USING gist \(location\)/),
        expect.stringMatching(
          /^trip_tracking: CREATE UNIQUE INDEX .*\(driver_id\) WHERE .*EN_ROUTE.*IN_PROGRESS/,
        ),
      ]),
    );
  });
});

const built = () => [compiled('tools/migrate.ts')];
/** As `npm run migrate` has it. */
const fromSource = () => ['--import', 'tsx', 'tools/migrate.ts'];

async function runMigrate(url: string, args: readonly string[] = [], program = built()) {
  const child = spawn(process.execPath, [...program, ...args], {
    cwd: ROOT,
    env: { PATH: process.env.PATH ?? '', DATABASE_URL: url },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, status] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.once('close', resolve)),
  ]);
  return { stdout, stderr, status };
}

describe('npm run migrate', () => {
  let database: Opened;
  beforeAll(async () => {
    database = await postgres();
  });
  afterAll(() => database.close());

  test('of several processes at once migrates once; the others wait for it and succeed', async () => {
    const runs = await Promise.all([1, 2, 3].map(() => runMigrate(database.url)));
    expect(runs.map(({ status, stderr }) => ({ status, stderr }))).toEqual(
      runs.map(() => ({ status: 0, stderr: '' })),
    );
    expect(runs.map(({ stdout }) => stdout).sort()).toEqual([
      `${MIGRATIONS.join('\n')}\n`,
      'nothing to migrate\n',
      'nothing to migrate\n',
    ]);
  });

  test('takes back as many as it is told', async () => {
    const [last, beforeLast] = MIGRATIONS.toReversed();
    expect((await runMigrate(database.url, ['down'])).stdout).toBe(`${last}\n`);
    expect((await runMigrate(database.url, ['up'])).stdout).toBe(`${last}\n`);
    expect((await runMigrate(database.url, ['down', '2'])).stdout).toBe(`${last}\n${beforeLast}\n`);
    expect((await runMigrate(database.url, ['down', 'all'], fromSource())).status).toBe(0);
    expect(await tablesOf(database.queries)).toEqual(['migrations']);
  });

  test.each([['sideways'], ['down', '0']])('refuses %j %j with how it is used', async (...args) => {
    const { status, stderr, stdout } = await runMigrate(database.url, args.filter(Boolean));
    expect(status).toBe(2);
    expect(stderr).toContain('usage: npm run migrate');
    expect(stdout).toBe('');
  });
});
