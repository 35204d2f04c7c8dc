import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn } from '../support/child-process.ts';
import { connectClient } from '../support/mqtt-client.ts';
import { type Platform, request, startPlatform, temporaryDataDir } from '../support/platform.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PATIENCE_MS = 240_000;
/** How often a state that nothing announces is looked at. */
const LOOK_EVERY_MS = 10;

type DataDir = Awaited<ReturnType<typeof temporaryDataDir>>;

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
}

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

/** As a newcomer has it: nothing is configured but where things go. */
const startEmbedded = (dataDir: DataDir) =>
  startPlatform({ DATA_DIR: join(dataDir.path, 'fleet'), JWT_SECRET: '' });

/** The tokens that are printed for a shell. */
async function printedTokens({ output }: Platform): Promise<Record<string, string>> {
  await until(() => output.some((line) => line.startsWith('export OPERATOR_TOKEN=')));
  const lines = output
    .map((line) => /^export (\w+)_TOKEN=(\S+)$/.exec(line))
    .filter((match) => match !== null);
  return Object.fromEntries(lines.map(([, name, value]) => [name, value]));
}

describe('a first start', () => {
  let dataDir: DataDir;
  let platform: Platform;
  let tokens: Record<string, string>;
  beforeAll(async () => {
    dataDir = await temporaryDataDir();
    platform = await startEmbedded(dataDir);
    tokens = await printedTokens(platform);
  }, PATIENCE_MS);
  afterAll(async () => {
    await platform?.stop();
    await dataDir.remove();
  });

  test('says what it is waiting for, and then where everything is', async () => {
    const text = platform.output.join('\n');
    expect(text).toMatch(/waiting for the embedded database[\s\S]*Fleetcast is ready/);
    for (const url of [
      platform.urls.mqtt,
      platform.urls.ws,
      `${platform.urls.rest}/v1`,
      platform.urls.metrics,
    ])
      expect(text).toContain(url);
    expect(Object.keys(tokens)).toEqual(['DRIVER', 'RIDER', 'OPERATOR']);
  });

  test('gives a driver a token to send a position with, and an operator one to see it', async () => {
    const operator = await connectClient(platform.urls.ws, tokens.OPERATOR ?? '');
    await operator.client.subscribeAsync('drivers/+/location');
    const driver = await connectClient(platform.urls.mqtt, tokens.DRIVER ?? '');
    const position = { latitude: 48.2, longitude: 16.37, recordedAt: Date.now() };
    await driver.client.publishAsync('drivers/driver-1/location', JSON.stringify(position), { qos: 1 });
    await operator.next(({ topic }) => topic === 'drivers/driver-1/location');
    expect(await request(platform, tokens.OPERATOR, 'GET', '/v1/drivers/driver-1/location')).toMatchObject({
      status: 200,
      body: { latitude: 48.2, longitude: 16.37 },
    });
    await driver.end();
    await operator.end();
  });

  test('gives a rider one to book a trip with', async () => {
    const trip = {
      riderId: 'rider-1',
      pickup: { latitude: 48.2, longitude: 16.37 },
      dropoff: { latitude: 48.21, longitude: 16.38 },
    };
    expect(await request(platform, tokens.RIDER, 'POST', '/v1/trips', trip)).toMatchObject({ status: 201 });
  });

  test('keeps the secret and the data from everybody else', async () => {
    const folder = join(dataDir.path, 'fleet');
    expect(await modeOf(join(folder, 'jwt-secret'))).toBe(0o600);
    expect(await modeOf(folder)).toBe(0o700);
  });

  test(
    'is followed by others that have the same secret and the same data',
    async () => {
      expect(await platform.stop()).toBe(0);
      platform = await startEmbedded(dataDir);
      expect(await request(platform, tokens.OPERATOR, 'GET', '/v1/drivers/driver-1/history')).toMatchObject({
        status: 200,
        body: { items: [{ latitude: 48.2 }] },
      });
      expect(Object.keys(await printedTokens(platform))).toEqual(['DRIVER', 'RIDER', 'OPERATOR']);
    },
    PATIENCE_MS,
  );
});

test(
  'a first start that is cut short while the database is made is made good by the next one',
  async () => {
    const dataDir = await temporaryDataDir();
    const database = join(dataDir.path, 'fleet', 'postgres');
    const first = spawn(process.execPath, ['--import', 'tsx', 'main.ts'], {
      cwd: ROOT,
      env: {
        PATH: process.env.PATH ?? '',
        DATA_DIR: join(dataDir.path, 'fleet'),
        MQTT_PORT: '0',
        MQTT_WS_PORT: '0',
        API_PORT: '0',
        METRICS_PORT: '0',
      },
      stdio: 'ignore',
    });
    const exited = once(first, 'exit');
    await until(() => existsSync(join(database, 'PG_VERSION')) || first.exitCode !== null);
    first.kill('SIGKILL');
    await exited;
    // The moment lasts for some milliseconds only: this file may have been written already
    await rm(join(database, 'postgresql.conf'), { force: true });

    const platform = await startEmbedded(dataDir);
    try {
      const { OPERATOR } = await printedTokens(platform);
      expect(await request(platform, OPERATOR, 'GET', '/v1/drivers/driver-1/history')).toMatchObject({
        status: 200,
        body: { items: [] },
      });
    } finally {
      await platform.stop();
      await dataDir.remove();
    }
  },
  PATIENCE_MS,
);
