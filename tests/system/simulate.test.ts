import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Client } from 'pg';
import type { Account } from '../../tools/simulate/report.ts';
import { spawn } from '../support/child-process.ts';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { compiled, type Platform, startPlatform, TEST_SECRET } from '../support/platform.ts';

jest.setTimeout(120_000);

/** As built, and as `npm run simulate` has it. */
const built = () => [compiled('tools/simulate/main.ts')];
const fromSource = () => [
  '--import',
  pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href,
  fileURLToPath(new URL('../../tools/simulate/main.ts', import.meta.url)),
];

type Ended = { status: number | null; stdout: string; stderr: string };

let folder: string;
let database: TestDatabase;
let queries: Client;
let platform: Platform;
const running = new Set<{ kill(signal: 'SIGKILL'): boolean }>();

/** The real command in a folder without a .env. */
async function run(program: readonly string[], args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [...program, ...args], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      JWT_SECRET: TEST_SECRET,
      MQTT_PORT: String(platform.ports.mqtt),
      MQTT_WS_PORT: String(platform.ports.ws),
      API_PORT: String(platform.ports.api),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  running.delete(child);
  return { status, stdout, stderr };
}

const simulate = (...args: string[]) => run(built(), args);

/** Ten drivers and ten riders that are quick about it: a trip takes seconds. */
function quickTown(prefix: string, seconds: number, ...more: string[]): Promise<Ended> {
  const town = ['--drivers', '10', '--riders', '10', '--seed', '1', '--id-prefix', prefix];
  const pace = [
    '--duration',
    `${seconds}s`,
    '--interval',
    '500ms',
    '--time-scale',
    '20',
    '--trip-distance',
    '400',
  ];
  return simulate(...town, ...pace, '--json', accountFile(prefix), ...more);
}

const accountFile = (prefix: string) => join(folder, `${prefix}.json`);

const accountOf = async (prefix: string): Promise<Account> =>
  JSON.parse(await readFile(accountFile(prefix), 'utf8'));

/** Waits until so many positions of a simulation are stored. */
async function untilStored(prefix: string, count: number): Promise<void> {
  const sql = 'select count(*)::int as count from location_history where driver_id like $1';
  for (;;) {
    const { rows } = await queries.query<{ count: number }>(sql, [`${prefix}-driver-%`]);
    if ((rows[0]?.count ?? 0) >= count) return;
    await delay(50);
  }
}

/** What a platform that loses positions would look like. */
async function lose(driverId: string, count: number): Promise<void> {
  const oldest =
    'select recorded_at from location_history where driver_id = $1 order by recorded_at limit $2';
  const sql = `delete from location_history where driver_id = $1 and recorded_at in (${oldest})`;
  const { rowCount } = await queries.query(sql, [driverId, count]);
  expect(rowCount).toBe(count);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'simulate-'));
  database = await createMigratedDatabase();
  platform = await startPlatform({ DATABASE_URL: database.url });
  queries = new Client({ connectionString: database.url });
  await queries.connect();
});

afterAll(async () => {
  for (const child of running) child.kill('SIGKILL');
  await queries?.end();
  await platform?.stop();
  await database?.drop();
  await rm(folder, { recursive: true, force: true });
});

describe('npm run simulate', () => {
  test('loses nothing of a platform that keeps its promises, and finds what another one lost', async () => {
    const honest = quickTown('honest', 12);
    const robbed = quickTown('robbed', 4);
    const alone = simulate('--drivers', '1', '--riders', '1', '--url', 'mqtt://127.0.0.1:1');
    await untilStored('robbed', 30);
    await lose('robbed-driver-1', 3);

    const ended = await honest;
    expect(ended).toMatchObject({ status: 0, stdout: expect.stringContaining('nothing lost, doubled') });
    const account = await accountOf('honest');
    expect(account).toMatchObject({ clean: true, failure: null, lost: 0, problems: {}, reconnects: 0 });
    const { positions, trips } = account;
    expect(positions.published).toBeGreaterThan(100);
    expect(positions).toMatchObject({
      refused: 0,
      acknowledged: positions.published,
      stored: positions.published,
    });
    expect(positions.delivered).toBeGreaterThan(50);
    expect(trips.completed).toBeGreaterThanOrEqual(1);
    expect(trips.completed + trips.cancelled).toBe(trips.requested);
    expect(account.driverToRiderMs.p99).toBeGreaterThan(0);
    expect(ended.stderr).toMatch(/5 s \| drivers 10\/10, riders 10\/10 \| trips .*positions\/s/);

    expect(await robbed).toMatchObject({
      status: 1,
      stdout: expect.stringContaining(
        '3 acknowledged positions that are not in the history:\n  robbed-driver-1 ',
      ),
    });
    expect(await accountOf('robbed')).toMatchObject({
      clean: false,
      lost: 3,
      problems: { positionLost: { count: 3 } },
    });

    expect(await alone).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('no broker answers at mqtt://127.0.0.1:1'),
    });
  });

  test('goes on over a crash of the platform, and still accounts for everything', async () => {
    const { mqtt, ws, api, metrics } = platform.ports;
    const town = quickTown('again', 10);
    await untilStored('again', 80);
    await platform.kill();
    platform = await startPlatform({
      DATABASE_URL: database.url,
      MQTT_PORT: String(mqtt),
      MQTT_WS_PORT: String(ws),
      API_PORT: String(api),
      METRICS_PORT: String(metrics),
    });
    const { status, stdout, stderr } = await town;
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: expect.stringContaining('nothing lost, doubled'),
    });
    expect(stderr).toContain('connection lost');
    const account = await accountOf('again');
    expect(account).toMatchObject({ clean: true, lost: 0, problems: {} });
    expect(account.reconnects).toBeGreaterThanOrEqual(20);
    expect(account.positions.stored).toBe(account.positions.published);
    expect(account.trips.assigned).toBeGreaterThanOrEqual(10);
  });

  test('ends with status 2 and a line for each wrong argument', async () => {
    expect(await run(fromSource(), ['--city', 'atlantis', '--drivers', 'many'])).toEqual({
      status: 2,
      stdout: '',
      stderr:
        'simulate: --city: "atlantis" is none of athens, sf\nsimulate: --drivers: "many" is not a whole number from 1 to 10000\n',
    });
  });
});
