import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { WebSocket } from 'ws';
import { AbuseStage } from '../support/abuse-stage.ts';
import { json } from '../support/fleet.ts';
import { encode, loginTcp, openTcp, TYPE } from '../support/raw-mqtt.ts';
import { eventually } from '../support/redis.ts';
import { sendRaw } from '../support/rest.ts';
import type { TripBody } from '../support/trips.ts';

let stage: AbuseStage;
let bearer: string;
let expired: string;
/** Of the same secret, with nobody's name: what is put where no token belongs. */
let stray: string;

/** Nobody else is there. */
const place = { latitude: 47.81091234, longitude: 13.05501234 };
const address = 'Getreidegasse 9999, second courtyard';
const NOTE = 'a-note-that-is-written-nowhere-else';

beforeAll(async () => {
  stage = await AbuseStage.open({ OFFLINE_GRACE_MS: '600000' });
  stage.hidePlace(place);
  for (const text of [address, NOTE]) stage.hide(text);
  bearer = await stage.token('SERVICE', 'service-1');
  expired = await stage.token('SERVICE', 'service-1', { ttlSeconds: -10 });
  stray = await stage.token('DRIVER', 'stray');
});
afterAll(() => stage?.close(/request failed|set aside/));

type Sent = { method?: string; headers?: Record<string, string>; body?: string };

/** The status; what is said with it shows nothing that is hidden. */
async function send(path: string, { method = 'GET', headers = {}, body }: Sent = {}): Promise<number> {
  const response = await fetch(`${stage.fleet.platform.urls.rest}${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  if (response.status >= 400) stage.expectDiscreet(`${text} ${JSON.stringify([...response.headers])}`);
  return response.status;
}

const authorized = (more: Record<string, string> = {}) => ({ authorization: `Bearer ${bearer}`, ...more });
const basic = (password: string) => ({
  authorization: `Basic ${Buffer.from(`x:${password}`).toString('base64')}`,
});
const there = () => `lat=${place.latitude}&lon=${place.longitude}`;

describe('a token where none belongs: in', () => {
  test.each<[string, () => [path: string, sent?: Sent]]>([
    ['the query', () => [`/v1/trips?token=${stray}&access_token=${stray}`]],
    ['the query of what is refused', () => [`/v1/trips?status=${stray}`, { headers: authorized() }]],
    ['the path', () => [`/v1/drivers/${stray}/location`, { headers: authorized() }]],
    ['the path of a trip', () => [`/v1/trips/${stray}`, { headers: authorized() }]],
    ['a path that there is not', () => [`/${stray}/${stray}`]],
    ['the path of a device, expired', () => [`/osmand/${expired}?${there()}`]],
    ['the path of a device, with what is no position', () => [`/osmand/${stray}?id=stray&lat=91&lon=x`]],
    ['the path of an app', () => [`/owntracks/${expired}`, { method: 'POST', body: '{}' }]],
    ['Basic credentials', () => ['/owntracks', { method: 'POST', headers: basic(expired), body: '{}' }]],
    ['Basic credentials of a route that takes none', () => ['/v1/trips', { headers: basic(stray) }]],
    ['a cookie', () => ['/v1/trips', { headers: { cookie: `token=${stray}` } }]],
    ['the referrer', () => ['/v1/nothing', { headers: authorized({ referer: `https://x/track#${stray}` }) }]],
    ['the agent', () => ['/v1/nothing', { headers: authorized({ 'user-agent': stray }) }]],
    ['the origin', () => ['/v1/nothing', { headers: authorized({ origin: `https://${stray}` }) }]],
    ['the id of the request', () => ['/v1/nothing', { headers: authorized({ 'x-request-id': stray }) }]],
    ['a forwarded address', () => ['/v1/nothing', { headers: authorized({ 'x-forwarded-for': stray }) }]],
    ['a cursor', () => [`/v1/trips?cursor=${stray}`, { headers: authorized() }]],
    ['a format', () => [`/v1/drivers/stray/history?format=${stray}`, { headers: authorized() }]],
    ['a tag', () => ['/v1/trips/x', { headers: authorized({ 'if-none-match': `"${stray}"` }) }]],
    [
      'the body',
      () => [
        '/v1/revocations',
        { method: 'POST', headers: authorized(), body: json({ sub: stray, jti: stray }) },
      ],
    ],
    [
      'a body that is no JSON',
      () => ['/v1/revocations', { method: 'POST', headers: authorized(), body: stray }],
    ],
  ])('%s', async (_name, make) => {
    const status = await send(...make());
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
  });

  test('bytes that are no HTTP', async () => {
    stage.expectDiscreet(
      await sendRaw(stage.fleet.platform.ports.api, `GET /?${stray} HTTP\r\nX: ${stray}\r\n\r\n`),
    );
    stage.expectDiscreet(await sendRaw(stage.fleet.platform.ports.api, `${stray}\r\n\r\n`));
  });

  test('a CONNECT, anywhere but in the password', async () => {
    for (const connect of [
      encode.connect({ clientId: stray }),
      encode.connect({ token: `${stray}x` }),
      encode.connect({ token: expired, clientId: stray, will: { topic: stray, payload: stray } }),
      // Cut off in the token
      encode.connect({ token: stray }).subarray(0, -9),
    ]) {
      const raw = openTcp(stage.fleet.platform.ports.mqtt);
      raw.send(connect, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
      await raw.closed;
    }
  });

  test('the handshake of a WebSocket', async () => {
    for (const [path, protocols, headers] of [
      [`/mqtt?token=${stray}`, ['mqtt'], {}],
      [`/${stray}`, ['mqtt'], {}],
      ['/mqtt', [stray], {}],
      ['/elsewhere', ['mqtt'], { authorization: `Bearer ${stray}`, cookie: `token=${stray}` }],
    ] as const) {
      const url = `ws://127.0.0.1:${stage.fleet.platform.ports.ws}${path}`;
      const socket = new WebSocket(url, [...protocols], { headers });
      socket.on('error', () => undefined);
      socket.on('open', () => socket.terminate());
      await new Promise((resolve) => socket.once('close', resolve));
    }
  });

  test('client ids, topics, filters and payloads', async () => {
    const raw = await loginTcp(stage.fleet.platform.ports.mqtt, {
      token: stray,
      clientId: stray,
      will: { topic: `x/${stray}`, payload: stray },
    });
    raw.send(
      encode.subscribe(1, [
        [`session/${stray}`, 0],
        [`drivers/${stray}/location`, 0],
      ]),
      encode.publish(`session/token/${stray}`, stray, { qos: 1, id: 2 }),
      encode.publish('session/token', expired, { qos: 1, id: 3 }),
      encode.publish('drivers/stray/location', stray, { qos: 1, id: 4 }),
      encode.publish('drivers/stray/status', json({ status: stray }), { qos: 1, id: 5 }),
    );
    for (const id of [2, 3, 4, 5]) expect((await raw.next(TYPE.PUBACK)).body.readUInt16BE(0)).toBe(id);
    raw.send(encode.publish('drivers/stray/status', stray, { qos: 3 }));
    await raw.closed;
  });
});

describe('a place', () => {
  const wrong = { ...place, speed: -1 };

  test.each<[string, () => [path: string, sent?: Sent]]>([
    [
      'in a position that is refused',
      () => ['/v1/drivers/d-1/location', { method: 'POST', headers: authorized(), body: json(wrong) }],
    ],
    [
      'in what is no JSON',
      () => ['/v1/drivers/d-1/location', { method: 'POST', headers: authorized(), body: `{${json(place)}` }],
    ],
    [
      'in names of fields',
      () => [
        '/v1/trips',
        {
          method: 'POST',
          headers: authorized(),
          body: json({ [`${place.latitude}`]: 1, riderId: `${place.longitude}` }),
        },
      ],
    ],
    [
      'in text',
      () => [
        '/v1/trips',
        {
          method: 'POST',
          headers: authorized(),
          body: json({
            riderId: 'r',
            pickup: `${place.latitude},${place.longitude}`,
            dropoff: { ...place, latitude: 91 },
          }),
        },
      ],
    ],
    [
      'looked for',
      () => [
        `/v1/drivers/nearby?latitude=${place.latitude}&longitude=${place.longitude}&radius=x`,
        { headers: authorized() },
      ],
    ],
    ['of a device that is not let in', () => [`/osmand?id=d-1&${there()}`]],
    [
      'of a device that says nonsense',
      () => [`/osmand?id=d-1&${there()}&timestamp=x`, { headers: authorized() }],
    ],
    [
      'of an app that says nonsense',
      () => [
        '/owntracks',
        {
          method: 'POST',
          headers: authorized(),
          body: json({ _type: 'location', lat: place.latitude, lon: String(place.longitude) }),
        },
      ],
    ],
    [
      'in a path',
      () => [`/v1/drivers/${place.latitude},${place.longitude}/location`, { headers: authorized() }],
    ],
  ])('%s', async (_name, make) => {
    const status = await send(...make());
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
  });

  test('in topics, wills and packets that break the protocol', async () => {
    const raw = await loginTcp(stage.fleet.platform.ports.mqtt, {
      token: stray,
      will: { topic: 'drivers/stray/location', payload: json(wrong) },
    });
    raw.send(
      encode.publish(`drivers/${place.latitude},${place.longitude}/location`, json(place), { qos: 1, id: 1 }),
      encode.publish('drivers/other/location', json(place), { qos: 1, id: 2 }),
      encode.publish('drivers/stray/locations', json([place, wrong]), { qos: 1, id: 3 }),
      encode.publish('trips/x/transition', json({ status: 'ARRIVED', reason: json(place) }), {
        qos: 1,
        id: 4,
      }),
      encode.publish('drivers/stray/location', json({ ...place, x: 'x'.repeat(70_000) }), { qos: 1 }),
    );
    await raw.closed;
  });
});

describe('what the database refuses', () => {
  let database: Client;
  const rule = (table: string, column: string) =>
    database.query(`alter table ${table} add constraint made_up check (${column} <> 'poisoned') not valid`);
  const booking = { riderId: 'poisoned', pickup: { ...place, address }, dropoff: place, metadata: { NOTE } };

  beforeAll(async () => {
    database = new Client({ connectionString: stage.fleet.databaseUrl });
    await database.connect();
  });
  afterAll(async () => {
    await database?.end();
  });

  test('of a trip is 500, and told without the trip', async () => {
    const body = json(booking);
    expect(
      await send('/v1/trips', {
        method: 'POST',
        headers: authorized(),
        body: json({ ...booking, riderId: 'r' }),
      }),
    ).toBe(201);
    await rule('trip_tracking', 'rider_id');
    expect(await send('/v1/trips', { method: 'POST', headers: authorized(), body })).toBe(500);
    await database.query('alter table trip_tracking drop constraint made_up');
    expect(await send('/v1/trips', { method: 'POST', headers: authorized(), body })).toBe(201);
  });

  test('of a change of a trip, too', async () => {
    const { rows } = await database.query<{ id: string }>(
      "select id from trip_tracking where rider_id = 'poisoned'",
    );
    const path = `/v1/trips/${(rows[0] as Pick<TripBody, 'id'>).id}/status`;
    await rule('trip_events', 'reason');
    const body = json({ status: 'CANCELLED', reason: 'poisoned' });
    expect(await send(path, { method: 'PATCH', headers: authorized(), body })).toBe(500);
    await database.query('alter table trip_events drop constraint made_up');
    expect(
      await send(path, {
        method: 'PATCH',
        headers: authorized(),
        body: json({ status: 'CANCELLED', reason: NOTE }),
      }),
    ).toBe(200);
  });

  test('of a position is set aside, and told without the position', async () => {
    await rule('location_history', 'driver_id');
    const sent = { method: 'POST', headers: authorized(), body: json(place) };
    // At once, or, with a log in between, after it was taken
    expect([400, 202]).toContain(await send('/v1/drivers/poisoned/location', sent));
    const { output } = stage.fleet.platform;
    await eventually(
      () => output.some((line) => line.includes('set aside')),
      (isTold) => isTold,
    );
    await database.query('alter table location_history drop constraint made_up');
  });
});

test('the log tells of it all, and what others may read tells none of it', async () => {
  const { platform } = stage.fleet;
  for (const message of ['login refused', 'connection opened', 'request failed', 'set aside'])
    expect(platform.output.join('\n')).toContain(message);
  stage.expectDiscreet(await (await fetch(`${platform.urls.metrics}/metrics`)).text());
  for (const path of ['/health', '/health/ready', '/openapi.json', '/asyncapi.json'])
    stage.expectDiscreet(await (await fetch(`${platform.urls.rest}${path}`)).text());
  await stage.bystander.expectUndisturbed();
});
