import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Fleet, startFleet } from '../support/fleet.ts';
import { follow, isStatusEvent } from '../support/live-events.ts';
import { connectClient } from '../support/mqtt-client.ts';
import { request, token } from '../support/platform.ts';
import { encode, openTcp, TYPE } from '../support/raw-mqtt.ts';
import { expectProblem, wrongFields } from '../support/rest.ts';
import { tripDesk } from '../support/trips.ts';

type Connection = {
  id: string;
  sub: string;
  role: string;
  clientId: string;
  transport: string;
  remoteAddress: string | null;
  openedAt: string;
  lastActivityAt: string;
};
type Page = { items: Connection[]; nextCursor: string | null };

let fleet: Fleet;
let operator: string;

beforeAll(async () => {
  fleet = await startFleet({ TRUST_PROXY: 'on' });
  operator = await token('OPERATOR', 'olga');
});
afterAll(() => fleet?.stop());

const call = (method: string, path: string, bearer = operator) =>
  request(fleet.platform, bearer, method, path);

async function list(query: string): Promise<Page> {
  const { status, body } = await call('GET', `/v1/connections?${query}`);
  expect({ status, body }).toMatchObject({ status: 200 });
  return body as Page;
}

/** Those of a user, once there are that many: they are written soon after they are opened or closed. */
async function openOf(sub: string, count: number): Promise<Connection[]> {
  for (let tries = 0; tries < 100; tries++) {
    const { items } = await list(`sub=${sub}`);
    if (items.length === count) return items;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${sub} never has ${count} connections: ${JSON.stringify(await list(`sub=${sub}`))}`);
}

const closed = (client: { once(event: 'close', listener: () => void): unknown }) =>
  new Promise<void>((resolve) => client.once('close', () => resolve()));

test('lists who is connected, by each way in, and no longer than that', async () => {
  const { id: tripId } = await tripDesk(fleet.platform).bookIn('EN_ROUTE', { driverId: 'ways-1' });
  const before = Date.now();
  const tcp = await fleet.client('DRIVER', 'ways-1', { clientId: 'phone' });
  const ws = await fleet.client('DRIVER', 'ways-1', { clientId: 'tablet', url: fleet.platform.urls.ws });
  const stream = await follow(fleet.platform, await token('DRIVER', 'ways-1'), tripId);
  await stream.next(isStatusEvent('EN_ROUTE'));
  const items = await openOf('ways-1', 3);
  expect(items.map(({ transport, clientId, role }) => [transport, clientId, role]).sort()).toEqual([
    ['SSE', `trips/${tripId}/live`, 'DRIVER'],
    ['TCP', 'phone', 'DRIVER'],
    ['WEBSOCKET', 'tablet', 'DRIVER'],
  ]);
  for (const { remoteAddress, openedAt, lastActivityAt } of items) {
    expect(remoteAddress).toMatch(/127\.0\.0\.1$/);
    expect(Date.parse(openedAt)).toBeGreaterThanOrEqual(before);
    expect(Date.parse(openedAt)).toBeLessThanOrEqual(Date.now());
    expect(Date.parse(lastActivityAt)).toBeGreaterThanOrEqual(Date.parse(openedAt));
  }
  await tcp.end();
  await ws.end();
  stream.close();
  expect(await openOf('ways-1', 0)).toEqual([]);
});

test('goes newest first, in pages that end with null', async () => {
  for (let index = 0; index < 5; index++) await fleet.client('RIDER', 'pages-1', { clientId: `c${index}` });
  await openOf('pages-1', 5);
  const seen: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: Page = await list(`sub=pages-1&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`);
    expect(page.items.length).toBeGreaterThan(0);
    seen.push(...page.items.map(({ clientId }) => clientId));
    cursor = page.nextCursor;
  }
  expect(seen).toEqual(['c4', 'c3', 'c2', 'c1', 'c0']);
});

test('a cursor that is forged, or of another query, is refused', async () => {
  for (let index = 0; index < 2; index++) await fleet.client('RIDER', 'forged-1');
  await openOf('forged-1', 2);
  const { nextCursor } = await list('sub=forged-1&limit=1');
  const [place, mark] = JSON.parse(Buffer.from(nextCursor ?? '', 'base64url').toString()) as [
    { openedUs: string; id: string },
    string,
  ];
  const forged = [
    { ...place, id: [place.id] },
    { ...place, openedUs: [place.openedUs] },
    { ...place, openedUs: '-1' },
    { ...place, openedUs: '9'.repeat(19) },
    { ...place, id: "' or true --" },
    null,
    [],
  ].map((wrong) => Buffer.from(JSON.stringify([wrong, mark])).toString('base64url'));
  const queries = [...forged.map((cursor) => `sub=forged-1&cursor=${cursor}`), `cursor=${nextCursor}`];
  for (const query of queries) {
    const answer = await call('GET', `/v1/connections?${query}`);
    expect(wrongFields(expectProblem(answer, 400, 'INVALID_PARAMETER'))).toEqual(['cursor']);
  }
});

describe('DELETE', () => {
  test('closes that connection and no other, and its client may come back', async () => {
    const [victim, other] = [
      await fleet.client('DRIVER', 'close-1', { clientId: 'victim' }),
      await fleet.client('DRIVER', 'close-1', { clientId: 'other' }),
    ];
    const id = (await openOf('close-1', 2)).find(({ clientId }) => clientId === 'victim')?.id;
    const gone = closed(victim.client);
    expect(await call('DELETE', `/v1/connections/${id}`)).toMatchObject({ status: 204, body: undefined });
    await gone;
    expect((await openOf('close-1', 1)).map(({ clientId }) => clientId)).toEqual(['other']);
    expect(other.client.connected).toBe(true);
    expectProblem(await call('DELETE', `/v1/connections/${id}`), 404, 'NOT_FOUND');
    await fleet.client('DRIVER', 'close-1', { clientId: 'victim' });
    await openOf('close-1', 2);
  });

  test('closes a stream', async () => {
    const { id: tripId } = await tripDesk(fleet.platform).bookIn('EN_ROUTE', {
      riderId: 'close-2',
      driverId: 'close-2-driver',
    });
    const stream = await follow(fleet.platform, await token('RIDER', 'close-2'), tripId);
    const [connection] = await openOf('close-2', 1);
    expect((await call('DELETE', `/v1/connections/${connection?.id}`)).status).toBe(204);
    await stream.ended;
    await openOf('close-2', 0);
  });

  test.each(['nonsense', '0197f9a0-0000-7000-8000-000000000000', "'%20or%20true%20--", '%00'])(
    'of what is none (%s) is 404',
    async (id) => {
      expectProblem(await call('DELETE', `/v1/connections/${id}`), 404, 'NOT_FOUND');
    },
  );
});

test.each(['DRIVER', 'RIDER', 'VIEWER'] as const)('neither is for a %s', async (role) => {
  await fleet.client('RIDER', `safe-${role}`);
  const [connection] = await openOf(`safe-${role}`, 1);
  const bearer = await token(role, 'eve', role === 'VIEWER' ? { trips: ['x'] } : {});
  expectProblem(await call('GET', '/v1/connections', bearer), 403, 'FORBIDDEN');
  expectProblem(await call('DELETE', `/v1/connections/${connection?.id}`, bearer), 403, 'FORBIDDEN');
  expect(await openOf(`safe-${role}`, 1)).toEqual([connection]);
});

test('what one client says of itself keeps nobody else out of the list', async () => {
  const desk = tripDesk(fleet.platform);
  const { id } = await desk.bookIn('EN_ROUTE', { riderId: 'liar-1', driverId: 'liar-1-driver' });
  const bearer = await token('RIDER', 'liar-1');
  const streams = [];
  for (const address of ['unknown', '_hidden', 'fe80::1%eth0', '203.0.113.7']) {
    const stream = await follow(fleet.platform, bearer, id, { 'x-forwarded-for': address });
    await stream.next(isStatusEvent('EN_ROUTE'));
    streams.push(stream);
  }
  const addresses = (await openOf('liar-1', 4)).map(({ remoteAddress }) => remoteAddress);
  expect(addresses).toEqual(expect.arrayContaining(['203.0.113.7', 'fe80::1', null]));
  const raw = openTcp(fleet.platform.ports.mqtt);
  raw.send(encode.connect({ clientId: 'a\0b', token: await token('RIDER', 'liar-2') }));
  await Promise.race([raw.next(TYPE.CONNACK), raw.closed]);
  const honest = await connectClient(fleet.platform.urls.mqtt, await token('RIDER', 'honest-1'));
  expect(await openOf('honest-1', 1)).toHaveLength(1);
  raw.end();
  await honest.end();
  for (const stream of streams) stream.close();
});
