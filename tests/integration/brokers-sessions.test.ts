import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createControl } from '../../shared/connections/control.ts';
import type { Database } from '../../shared/database/index.ts';
import { createMemoryEmitter } from '../../shared/emitter/memory.ts';
import { createMemorySessionStore } from '../../shared/session-store/memory.ts';
import { type BrokerNode, startBrokerNode } from '../support/broker-node.ts';
import { json } from '../support/fleet.ts';
import { token } from '../support/platform.ts';
import { encode, loginTcp, openTcp, type RawConnection, TYPE } from '../support/raw-mqtt.ts';
import { eventually, newPrefix } from '../support/redis.ts';
import { migratedDatabase } from '../support/trip-database.ts';

let testDatabase: Awaited<ReturnType<typeof migratedDatabase>>;
let database: Database;
let nodes: [BrokerNode, BrokerNode, BrokerNode];
let drivers = 0;
let driver: string;
const emitter = createMemoryEmitter();
const redisPrefix = newPrefix();
const statuses: { driverId: string; status: string }[] = [];

beforeAll(async () => {
  testDatabase = await migratedDatabase();
  database = testDatabase.open(8);
  emitter.on('drivers/+/status', ({ payload }, done) => {
    statuses.push(JSON.parse(payload.toString()) as { driverId: string; status: string });
    done();
  });
  const shared = {
    queries: database.queries,
    emitter,
    sessionStore: createMemorySessionStore(),
    redisPrefix,
  };
  nodes = [await startBrokerNode(shared), await startBrokerNode(shared), await startBrokerNode(shared)];
});
afterAll(async () => {
  for (const node of nodes ?? []) await node.stop();
  await testDatabase?.drop();
});
beforeEach(() => {
  driver = `driver-${drivers++}`;
});

const told = (driverId = driver) =>
  statuses.filter((status) => status.driverId === driverId).map(({ status }) => status);

async function login(
  node: BrokerNode,
  clientId: string,
  more: Partial<Parameters<typeof encode.connect>[0]> = {},
): Promise<RawConnection> {
  return loginTcp(node.port, { token: await token('DRIVER', driver), clientId, ...more });
}

/** The return code of a CONNECT, and the connection. */
async function knock(node: BrokerNode, clientId: string): Promise<{ code: number; raw: RawConnection }> {
  const raw = openTcp(node.port);
  raw.send(encode.connect({ token: await token('DRIVER', driver), clientId }));
  const { body } = await raw.next(TYPE.CONNACK);
  return { code: body[1] ?? -1, raw };
}

type Row = { id: string; client_id: string; broker_id: string; close_reason: string | null };
const rows = () =>
  database.queries.any<Row>(
    'select id, client_id, broker_id, close_reason from connection_sessions where sub = $1 order by opened_at',
    [driver],
  );
const reasons = (...expected: (string | null)[]) =>
  eventually(
    async () => (await rows()).map(({ close_reason }) => close_reason),
    (found) => JSON.stringify(found) === JSON.stringify(expected),
  );

test('of thirty that a driver opens on three brokers at once three are let in, the rest gets CONNACK 5', async () => {
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, index) => knock(nodes[index % 3] ?? nodes[0], `phone-${index}`)),
  );
  expect(answers.map(({ code }) => code).sort()).toEqual([0, 0, 0, ...Array.from({ length: 27 }, () => 5)]);
  const inside = answers.filter(({ code }) => code === 0);
  inside[0]?.raw.end();
  await eventually(
    () => knock(nodes[1], 'another'),
    ({ code }) => code === 0,
  );
  for (const { raw } of answers) raw.end();
});

test('a client that hangs up while its place is asked for leaves none behind', async () => {
  const bearer = await token('DRIVER', driver);
  for (let round = 0; round < 30; round++) {
    const raw = openTcp(nodes[round % 3]?.port ?? 0);
    raw.send(encode.connect({ token: bearer, clientId: `hasty-${round}` }));
    // Some before the token is checked, some while the place is asked for, some after
    await new Promise((resolve) => setTimeout(resolve, round % 6));
    raw.end();
  }
  await eventually(
    async () => {
      const answers = await Promise.all(
        [0, 1, 2].map((index) => knock(nodes[index] ?? nodes[0], `calm-${index}`)),
      );
      for (const { raw } of answers) raw.end();
      return answers.map(({ code }) => code);
    },
    (codes) => codes.join() === '0,0,0',
  );
});

test('the same client id on another broker takes the session over, within the limit', async () => {
  const first = await login(nodes[0], 'phone');
  for (const clientId of ['b', 'c']) await login(nodes[2], clientId);
  const second = await login(nodes[1], 'phone');
  await first.closed;
  await reasons('TAKEN_OVER', null, null, null);
  expect((await rows()).map(({ broker_id }) => broker_id)).toEqual([
    nodes[0].processId,
    nodes[2].processId,
    nodes[2].processId,
    nodes[1].processId,
  ]);
  expect((await knock(nodes[0], 'd')).code).toBe(5);
  second.end();
});

test('a broker that missed the message of a take-over lets go of the old connection all the same', async () => {
  nodes[0].misses('$SYS/+/new/clients');
  const first = await login(nodes[0], 'phone');
  const before = Date.now();
  await login(nodes[1], 'phone');
  await first.closed;
  expect(Date.now() - before).toBeGreaterThan(20);
  await reasons('TAKEN_OVER', null);
});

test('a driver who goes to another broker with its client id and will is there all the time', async () => {
  const will = { topic: `drivers/${driver}/status`, payload: json({ status: 'OFFLINE' }) };
  const first = await login(nodes[2], 'phone', { will });
  first.send(encode.publish(`drivers/${driver}/status`, json({ status: 'BUSY' }), { qos: 1, id: 1 }));
  await first.next(TYPE.PUBACK);
  const second = await login(nodes[1], 'phone', { will });
  await first.closed;
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(told()).toEqual(['BUSY']);
  second.end();
  await eventually(told, (found) => found.join() === 'BUSY,OFFLINE');
});

test('who is connected to any broker is listed and can be closed from anywhere', async () => {
  const connection = await login(nodes[1], 'phone');
  const [row] = await eventually(rows, ({ length }) => length === 1);
  createControl(emitter).closeConnection(row?.id ?? '');
  await connection.closed;
  await reasons('CLOSED_BY_OPERATOR');
});
