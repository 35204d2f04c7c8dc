import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createMigratedDatabase, type TestDatabase } from '../support/database.ts';
import { json, position } from '../support/fleet.ts';
import { connectClient } from '../support/mqtt-client.ts';
import { type Platform, request, startPlatform, token } from '../support/platform.ts';
import { encode, loginTcp, openTcp, TYPE } from '../support/raw-mqtt.ts';

let database: TestDatabase;
let status: number | null;
let acknowledged: number[];
let closed: string[];
let next: Platform | undefined;

const driver = 'driver-1';

/** A platform in the middle of its work is told to stop, and another one takes over its database. */
beforeAll(async () => {
  database = await createMigratedDatabase();
  const env = { DATABASE_URL: database.url, OFFLINE_GRACE_MS: '600000' };
  const platform = await startPlatform(env);
  const will = { topic: `drivers/${driver}/status`, payload: json({ status: 'OFFLINE' }) };
  const phone = await loginTcp(platform.ports.mqtt, { token: await token('DRIVER', driver), will });
  const rider = await connectClient(platform.urls.ws, await token('RIDER', 'rider-1'));
  const silent = openTcp(platform.ports.mqtt);
  await new Promise((resolve) => silent.stream.once('connect', resolve));
  phone.send(encode.publish(`drivers/${driver}/status`, json({ status: 'BUSY' }), { qos: 1, id: 60_000 }));
  await phone.next(TYPE.PUBACK);

  closed = [];
  const ends = [
    phone.closed.then(() => closed.push('tcp')),
    new Promise<void>((resolve) => rider.client.once('close', () => resolve())).then(() => closed.push('ws')),
    silent.closed.then(() => closed.push('silent')),
  ];
  let id = 0;
  const flood = setInterval(() => {
    for (let count = 0; count < 20; count++)
      phone.send(
        encode.publish(`drivers/${driver}/location`, json(position({ speed: ++id })), { qos: 1, id }),
      );
  }, 1);
  await phone.next(TYPE.PUBACK);
  status = await platform.stop();
  clearInterval(flood);
  await Promise.all(ends);
  acknowledged = phone.received
    .filter(({ type }) => type === TYPE.PUBACK)
    .map(({ body }) => body.readUInt16BE(0))
    .filter((acknowledgedId) => acknowledgedId !== 60_000);
  await rider.end();
  next = await startPlatform(env);
});
afterAll(async () => {
  await next?.stop();
  await database?.drop();
});

describe('after SIGTERM', () => {
  test('the process ends with status 0', () => {
    expect(status).toBe(0);
  });

  test('every connection is closed', () => {
    expect([...closed].sort()).toEqual(['silent', 'tcp', 'ws']);
  });

  test('all that was acknowledged is stored, in order and without a gap', async () => {
    expect(acknowledged.length).toBeGreaterThan(0);
    expect(acknowledged).toEqual(acknowledged.map((_, index) => index + 1));
    const stored = new Set<number>();
    let cursor: string | null = '';
    while (cursor !== null) {
      const path = `/v1/drivers/${driver}/history?limit=1000${cursor === '' ? '' : `&cursor=${cursor}`}`;
      const { body } = await request(next as Platform, await token('DRIVER', driver), 'GET', path);
      const page = body as { items: { speed: number }[]; nextCursor: string | null };
      for (const { speed } of page.items) stored.add(speed);
      cursor = page.nextCursor;
    }
    expect(acknowledged.filter((id) => !stored.has(id))).toEqual([]);
  });

  test('no will was sent: the driver, who will be back in a moment, is what it said it was', async () => {
    const path = `/v1/drivers/${driver}/location`;
    const { body } = await request(next as Platform, await token('DRIVER', driver), 'GET', path);
    expect(body).toMatchObject({ status: 'BUSY' });
  });
});
