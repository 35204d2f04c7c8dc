import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import jwt from 'jsonwebtoken';
import { Client } from 'pg';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { follow, isStatusEvent } from '../support/live-events.ts';
import { connectClient, type TestClient } from '../support/mqtt-client.ts';
import { type Platform, request, startPlatform, TEST_SECRET, token } from '../support/platform.ts';
import { expectProblem, wrongFields } from '../support/rest.ts';
import { tripDesk } from '../support/trips.ts';

let database: TestDatabase;
let platform: Platform;

beforeAll(async () => {
  database = await createMigratedDatabase();
  platform = await startPlatform({ DATABASE_URL: database.url });
});
afterAll(async () => {
  await platform?.stop();
  await database?.drop();
});

const HOUR_MS = 3_600_000;
const inAnHour = () => new Date(Date.now() + HOUR_MS).toISOString();
const signed = (sub: string, jti: string | undefined, role = 'DRIVER') =>
  jwt.sign({ sub, role, ...(jti === undefined ? {} : { jti }) }, TEST_SECRET, { expiresIn: 3600 });

async function revoke(body: object) {
  return request(platform, await token('SERVICE', 'security'), 'POST', '/v1/revocations', body);
}

const readOwn = (sub: string, bearer: string) =>
  request(platform, bearer, 'GET', `/v1/drivers/${sub}/history`);

const closed = ({ client }: TestClient) =>
  new Promise<number>((resolve) => client.once('close', () => resolve(Date.now())));

test('what is open with a revoked token is closed at once, over TCP, WebSocket and as a stream', async () => {
  const desk = tripDesk(platform);
  const { id } = await desk.bookIn('EN_ROUTE', { driverId: 'open-1' });
  const bearer = signed('open-1', undefined);
  const clients = [
    await connectClient(platform.urls.mqtt, bearer),
    await connectClient(platform.urls.ws, bearer),
  ];
  const other = await connectClient(platform.urls.mqtt, await token('DRIVER', 'open-2'));
  const stream = await follow(platform, bearer, id);
  await stream.next(isStatusEvent('EN_ROUTE'));
  const closings = clients.map(closed);
  const at = Date.now();
  const until = inAnHour();
  expect(await revoke({ sub: 'open-1', until })).toMatchObject({
    status: 201,
    body: { sub: 'open-1', until },
  });
  await stream.ended;
  for (const time of await Promise.all(closings)) expect(time - at).toBeLessThan(20_000);
  for (const url of [platform.urls.mqtt, platform.urls.ws])
    await expect(connectClient(url, bearer)).rejects.toMatchObject({ code: 4 });
  expectProblem(await readOwn('open-1', bearer), 401, 'UNAUTHORIZED');
  expectProblem(await request(platform, bearer, 'GET', `/v1/trips/${id}/live`), 401, 'UNAUTHORIZED');
  // Nobody else notices
  await other.client.publishAsync('drivers/open-2/location', JSON.stringify({ latitude: 1, longitude: 2 }), {
    qos: 1,
  });
  expect(other.client.connected).toBe(true);
  await Promise.all([other, ...clients].map((client) => client.end()));
});

test('how many hold stands in the metrics', async () => {
  const count = async () =>
    Number(
      /^fleetcast_revocations (\d+)$/m.exec(
        await (await fetch(`${platform.urls.metrics}/metrics`)).text(),
      )?.[1],
    );
  const before = await count();
  await revoke({ jti: 'counted', until: inAnHour() });
  await revoke({ jti: 'counted', until: Date.now() + 2 * HOUR_MS });
  expect(await count()).toBe(before + 1);
});

test('a revoked jti is that token alone', async () => {
  const [bad, good, plain] = [
    signed('jti-1', 'stolen'),
    signed('jti-1', 'fresh'),
    signed('jti-1', undefined),
  ];
  const client = await connectClient(platform.urls.mqtt, bad);
  const ended = closed(client);
  const others = await Promise.all([good, plain].map((bearer) => connectClient(platform.urls.mqtt, bearer)));
  expect((await revoke({ jti: 'stolen', until: Date.now() + HOUR_MS })).status).toBe(201);
  await ended;
  expectProblem(await readOwn('jti-1', bad), 401, 'UNAUTHORIZED');
  await expect(connectClient(platform.urls.mqtt, bad)).rejects.toMatchObject({ code: 4 });
  for (const bearer of [good, plain]) expect((await readOwn('jti-1', bearer)).status).toBe(200);
  // A sub of the same name as a jti is another thing
  expect((await readOwn('stolen', signed('stolen', undefined))).status).toBe(200);
  for (const { client: open } of others) expect(open.connected).toBe(true);
  await Promise.all([client, ...others].map((each) => each.end()));
});

test('a session that goes on with a fresh token is closed by the fresh one, not by the old', async () => {
  const client = await connectClient(platform.urls.mqtt, signed('renew-1', 'old'));
  await client.client.publishAsync('session/token', signed('renew-1', 'new'), { qos: 1 });
  expect((await revoke({ jti: 'old', until: inAnHour() })).status).toBe(201);
  await client.client.publishAsync('drivers/renew-1/status', '{"status":"BUSY"}', { qos: 1 });
  const ended = closed(client);
  expect((await revoke({ jti: 'new', until: inAnHour() })).status).toBe(201);
  await ended;
});

test('a session can not go on with a revoked token', async () => {
  expect((await revoke({ jti: 'renew-2-bad', until: inAnHour() })).status).toBe(201);
  const client = await connectClient(platform.urls.mqtt, signed('renew-2', 'renew-2-good'));
  await client.client.subscribeAsync('drivers/renew-2/errors');
  await client.client.publishAsync('session/token', signed('renew-2', 'renew-2-bad'), { qos: 1 });
  await client.next(({ topic }) => topic === 'drivers/renew-2/errors');
  await client.end();
});

test('holds until its end, and not after it', async () => {
  const bearer = signed('short-1', undefined);
  const until = Date.now() + 1500;
  expect((await revoke({ sub: 'short-1', until })).status).toBe(201);
  expect((await readOwn('short-1', bearer)).status).toBe(401);
  let status = 401;
  while (status === 401) {
    ({ status } = await readOwn('short-1', bearer));
    if (status === 401) await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(Date.now()).toBeGreaterThanOrEqual(until);
  expect(status).toBe(200);
});

describe('of two revocations', () => {
  test('the later end holds, also after a restart', async () => {
    const bearer = signed('twice-1', undefined);
    expect((await revoke({ sub: 'twice-1', until: inAnHour() })).status).toBe(201);
    expect((await revoke({ sub: 'twice-1', until: Date.now() - 1000 })).status).toBe(201);
    expect((await readOwn('twice-1', bearer)).status).toBe(401);
    await platform.kill();
    platform = await startPlatform({ DATABASE_URL: database.url });
    expect((await readOwn('twice-1', bearer)).status).toBe(401);
    await expect(connectClient(platform.urls.mqtt, bearer)).rejects.toMatchObject({ code: 4 });
    expect((await readOwn('twice-2', signed('twice-2', undefined))).status).toBe(200);
  });
});

test('there are no more than 100,000 at a time; one that is known can be extended, and those that have ended count for nothing', async () => {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  const fill = (name: string, until: string) =>
    client.query(
      `insert into revocations (kind, value, until)
       select 'jti', '${name}-' || n, now() + interval '${until}' from generate_series(1, 100000) as n`,
    );
  await fill('past', '-1 hour');
  expect((await revoke({ jti: 'many-1', until: inAnHour() })).status).toBe(201);
  await fill('future', '1 hour');
  expectProblem(await revoke({ jti: 'many-2', until: inAnHour() }), 503, 'OVERLOADED');
  expect((await readOwn('many', signed('many', 'many-2'))).status).toBe(200);
  expect((await revoke({ jti: 'many-1', until: inAnHour() })).status).toBe(201);
  await client.query(`delete from revocations where value ~ '^(past|future)-'`);
  await client.end();
});

test.each([
  ['neither sub nor jti', { until: 1 }, ['']],
  ['both', { sub: 'a', jti: 'b', until: 1 }, ['']],
  ['no end', { sub: 'a' }, ['/until']],
  ['an end that is no time', { sub: 'a', until: 'tomorrow' }, ['/until']],
  ['an end without an offset', { sub: 'a', until: '2026-11-23T17:30:00' }, ['/until']],
  ['an end that is no time, of nobody', { until: 'tomorrow' }, ['', '/until']],
  ['an end before all time', { sub: 'a', until: -8.64e15 }, ['/until']],
  ['an end after all time', { sub: 'a', until: 8.64e15 }, ['/until']],
  ['an end after that', { sub: 'a', until: 1e300 }, ['/until']],
  ['a sub that can be none', { sub: 'a/b', until: 1 }, ['/sub']],
  ['an empty jti', { jti: '', until: 1 }, ['/jti']],
  ['a jti with NUL', { jti: 'a\0b', until: 1 }, ['/jti']],
])('with %s it is refused', async (_name, body, fields) => {
  expect(wrongFields(expectProblem(await revoke(body), 400, 'INVALID_PAYLOAD'))).toEqual(fields);
});

test('what is missing of the two is said once', async () => {
  for (const body of [{ until: 1 }, { sub: 'a', jti: 'b', until: 1 }])
    expect((await revoke(body)).body).toMatchObject({
      errors: [{ path: '', message: 'must have exactly one of sub, jti' }],
    });
});

test.each(['DRIVER', 'RIDER', 'OPERATOR', 'VIEWER'] as const)('is not for a %s', async (role) => {
  const bearer = await token(role, 'somebody', role === 'VIEWER' ? { trips: ['x'] } : {});
  const answer = await request(platform, bearer, 'POST', '/v1/revocations', {
    sub: 'innocent',
    until: inAnHour(),
  });
  expectProblem(answer, 403, 'FORBIDDEN');
  expect((await readOwn('innocent', signed('innocent', undefined))).status).toBe(200);
});
