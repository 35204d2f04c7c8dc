import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { connectClient } from '../support/mqtt-client.ts';
import { type Platform, startPlatform, token } from '../support/platform.ts';
import { caller } from '../support/rest.ts';

let database: TestDatabase;
let platform: Platform;

beforeAll(async () => {
  database = await createMigratedDatabase();
  platform = await startPlatform({ DATABASE_URL: database.url, LOCATION_MIN_INTERVAL_MS: '600000' });
});
afterAll(async () => {
  await platform?.stop();
  await database?.drop();
});

async function scrape(): Promise<string> {
  const response = await fetch(`${platform.urls.metrics}/metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  return response.text();
}

/** Value of a sample by its name and labels as they are written; 0 when there is none. */
function sample(text: string, name: string): number {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.slice(name.length + 1));
}

const verdict = (text: string, code: string) => sample(text, `fleetcast_positions_total{verdict="${code}"}`);

describe('the metrics', () => {
  test('have names by the rules, all of ours, each with its type and help', async () => {
    const text = await scrape();
    const types = new Map(
      [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type]) => [name, type]),
    );
    const helps = [...text.matchAll(/^# HELP (\S+) \S/gm)].map(([, name]) => name);
    expect(helps.sort()).toEqual([...types.keys()].sort());
    for (const [name, type] of types) {
      expect(name).toMatch(/^fleetcast_[a-z0-9_]+$/);
      if (type === 'counter') expect(name).toMatch(/_total$/);
    }
  });

  test('hold at least those of the contract', async () => {
    const text = await scrape();
    const wanted = {
      fleetcast_positions_total: 'counter',
      fleetcast_connections: 'gauge',
      fleetcast_logins_total: 'counter',
      fleetcast_admission_seconds: 'histogram',
      fleetcast_delivery_seconds: 'histogram',
      fleetcast_store_seconds: 'histogram',
      fleetcast_log_entries: 'gauge',
      fleetcast_log_lag_seconds: 'gauge',
    };
    for (const [name, type] of Object.entries(wanted)) expect(text).toContain(`# TYPE ${name} ${type}\n`);
  });

  test('count every position by its verdict', async () => {
    const { post } = caller(platform, await token('SERVICE', 'service-1'));
    const before = await scrape();
    const place = { latitude: 1, longitude: 2 };
    const now = Date.now();
    await post('/v1/drivers/driver-1/location', { ...place, recordedAt: now });
    await post('/v1/drivers/driver-1/location', { ...place, recordedAt: now });
    await post('/v1/drivers/driver-1/location', { ...place, recordedAt: now + 1 });
    await post('/v1/drivers/driver-2/locations', [
      ...[1, 2, 3].map((second) => ({ ...place, recordedAt: now - second * 1000 })),
      { ...place, recordedAt: now - 1000 },
      { ...place, latitude: 91 },
      { ...place, recordedAt: now + 3_600_000 },
      { ...place, recordedAt: 0 },
    ]);
    const after = await scrape();
    const grown = ['accepted', 'duplicate', 'RATE_LIMITED', 'INVALID_PAYLOAD', 'IN_FUTURE', 'TOO_OLD'].map(
      (code) => [code, verdict(after, code) - verdict(before, code)],
    );
    expect(Object.fromEntries(grown)).toEqual({
      accepted: 4,
      duplicate: 2,
      RATE_LIMITED: 1,
      INVALID_PAYLOAD: 1,
      IN_FUTURE: 1,
      TOO_OLD: 1,
    });
    expect(sample(after, 'fleetcast_store_seconds_count')).toBeGreaterThan(
      sample(before, 'fleetcast_store_seconds_count'),
    );
    expect(sample(after, 'fleetcast_log_entries')).toBe(0);
    expect(sample(after, 'fleetcast_log_lag_seconds')).toBe(0);
  });

  test('count connections by transport and role, and logins by result', async () => {
    const before = await scrape();
    const driver = await connectClient(platform.urls.mqtt, await token('DRIVER', 'driver-3'));
    const operator = await connectClient(platform.urls.ws, await token('OPERATOR', 'operator-1'));
    await expect(connectClient(platform.urls.mqtt, 'bad')).rejects.toMatchObject({ code: 4 });
    try {
      await driver.client.publishAsync('drivers/driver-3/location', '{"latitude":1,"longitude":2}', {
        qos: 1,
      });
      const after = await scrape();
      const grown = (name: string) => sample(after, name) - sample(before, name);
      expect(grown('fleetcast_connections{transport="TCP",role="DRIVER"}')).toBe(1);
      expect(grown('fleetcast_connections{transport="WEBSOCKET",role="OPERATOR"}')).toBe(1);
      expect(grown('fleetcast_logins_total{result="accepted"}')).toBe(2);
      expect(grown('fleetcast_logins_total{result="bad_token"}')).toBe(1);
      expect(grown('fleetcast_admission_seconds_count')).toBe(1);
      expect(grown('fleetcast_delivery_seconds_count')).toBe(1);
    } finally {
      await Promise.all([driver.end(), operator.end()]);
    }
  });

  test('name nobody: no ids, no places', async () => {
    expect(await scrape()).not.toMatch(/driver-\d|operator-1|service-1/);
  });

  test('are not on the API port', async () => {
    expect((await fetch(`${platform.urls.rest}/metrics`)).status).toBe(404);
  });
});
