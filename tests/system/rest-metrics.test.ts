import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { RELAY_LOCK } from '../../ingest/sql/take-outbox.ts';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { connectClient } from '../support/mqtt-client.ts';
import { type Platform, request, startPlatform, token } from '../support/platform.ts';
import { eventually } from '../support/redis.ts';
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
      expect({ name, isTotal: name.endsWith('_total') }).toEqual({ name, isTotal: type === 'counter' });
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

  test('count what clients hold, and what is written together', async () => {
    // Those of the test before are gone
    const before = await eventually(
      scrape,
      (text) =>
        sample(text, 'fleetcast_sessions{kind="clean"}') + sample(text, 'fleetcast_subscriptions') === 0,
    );
    const grown = async (name: string) => sample(await scrape(), name) - sample(before, name);
    const driver = await connectClient(platform.urls.mqtt, await token('DRIVER', 'driver-4'), {
      clean: false,
      clientId: 'phone',
    });
    await driver.client.subscribeAsync(['drivers/driver-4/errors', 'drivers/driver-4/trips'], { qos: 1 });
    expect(await grown('fleetcast_sessions{kind="persistent"}')).toBe(1);
    expect(await grown('fleetcast_sessions{kind="clean"}')).toBe(0);
    expect(await grown('fleetcast_subscriptions')).toBe(2);
    const backlog = JSON.stringify(
      [1, 2, 3].map((second) => ({ latitude: 1, longitude: 2, recordedAt: Date.now() - second * 1000 })),
    );
    await driver.client.publishAsync('drivers/driver-4/locations', backlog, { qos: 1 });
    expect(await grown('fleetcast_append_batch_positions_sum')).toBe(3);
    expect(await grown('fleetcast_append_batch_positions_count')).toBe(1);
    await driver.end();
    await eventually(
      () => grown('fleetcast_subscriptions'),
      (filters) => filters === 0,
    );
    await eventually(
      () => grown('fleetcast_store_batch_positions_sum'),
      (stored) => stored === 3,
    );
    expect(
      await grown('fleetcast_database_query_seconds_count{operation="write-positions"}'),
    ).toBeGreaterThan(0);
  });

  test('count REST by the template of the route, also what is refused before it is found', async () => {
    const before = await scrape();
    const bearer = { authorization: `Bearer ${await token('OPERATOR', 'operator-2')}` };
    const ask = (path: string, init: RequestInit = {}) =>
      fetch(`${platform.urls.rest}${path}`, { headers: bearer, ...init }).then((answer) => answer.text());
    const wanted: [labels: string, path: string, init?: RequestInit][] = [
      [
        'method="GET",route="/v1/drivers/{driverId}/location",status="404"',
        '/v1/drivers/nobody/location?x=1',
      ],
      ['method="HEAD",route="/v1/trips",status="200"', '/V1/trips/', { method: 'HEAD' }],
      ['method="GET",route="/v1/trips/{tripId}",status="401"', '/v1/trips/some-trip', { headers: {} }],
      ['method="DELETE",route="/v1/trips",status="405"', '/v1/trips', { method: 'DELETE' }],
      ['method="GET",route="unknown",status="404"', '/v1/nothing/of/ours'],
      ['method="GET",route="assets",status="200"', '/docs/assets/swagger-ui.css'],
    ];
    for (const [, path, init] of wanted) await ask(path, init);
    for (const [labels] of wanted) {
      const name = `fleetcast_api_requests_total{${labels}}`;
      // Counted when the connection has all of the answer
      await eventually(
        async () => sample(await scrape(), name) - sample(before, name),
        (counted) => counted === 1,
      );
    }
    const timed = 'fleetcast_api_request_seconds_count{method="DELETE",route="/v1/trips",status="4xx"}';
    expect(sample(await scrape(), timed)).toBe(1);
  });

  test('show open event streams, and do not take them for slow requests', async () => {
    const service = caller(platform, await token('SERVICE', 'service-1'));
    const place = { latitude: 1, longitude: 2 };
    const trip = await service.post('/v1/trips', { riderId: 'rider-1', pickup: place, dropoff: place });
    const hangUp = new AbortController();
    const stream = await fetch(`${platform.urls.rest}/v1/trips/${(trip.body as { id: string }).id}/live`, {
      headers: { authorization: `Bearer ${await token('RIDER', 'rider-1')}` },
      signal: hangUp.signal,
    });
    expect(stream.status).toBe(200);
    expect(sample(await scrape(), 'fleetcast_api_event_streams')).toBe(1);
    hangUp.abort();
    await eventually(
      async () => sample(await scrape(), 'fleetcast_api_event_streams'),
      (open) => open === 0,
    );
    const text = await eventually(scrape, (shown) =>
      shown.includes('route="/v1/trips/{tripId}/live",status="200"'),
    );
    expect(text).not.toMatch(/api_request_seconds.*live/);
  });

  test('show what waits to be told of trips', async () => {
    const relay = new Client({ connectionString: database.url });
    await relay.connect();
    try {
      // As if the relay were slow: another one, that does nothing, has its turn
      await relay.query('select pg_advisory_lock($1)', [RELAY_LOCK]);
      const service = caller(platform, await token('SERVICE', 'service-1'));
      const place = { latitude: 1, longitude: 2 };
      const trip = await service.post('/v1/trips', {
        riderId: 'rider-1',
        driverId: 'driver-5',
        pickup: place,
        dropoff: place,
      });
      const { id } = trip.body as { id: string };
      const bearer = await token('SERVICE', 'service-1');
      await request(platform, bearer, 'PATCH', `/v1/trips/${id}/status`, { status: 'EN_ROUTE' });
      const waiting = async () => sample(await scrape(), 'fleetcast_outbox_entries');
      await eventually(waiting, (entries) => entries > 0);
      expect(sample(await scrape(), 'fleetcast_outbox_age_seconds')).toBeGreaterThan(0);
      await relay.query('select pg_advisory_unlock($1)', [RELAY_LOCK]);
      await eventually(waiting, (entries) => entries === 0);
      expect(sample(await scrape(), 'fleetcast_outbox_age_seconds')).toBe(0);
    } finally {
      await relay.end();
    }
  });

  test('name nobody: no ids, no places', async () => {
    expect(await scrape()).not.toMatch(/driver-\d|operator-\d|service-1|rider-1|nobody|some-trip/);
  });

  test('are not on the API port', async () => {
    expect((await fetch(`${platform.urls.rest}/metrics`)).status).toBe(404);
  });
});
