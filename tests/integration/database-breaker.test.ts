import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { Client } from 'pg';
import type { Database } from '../../shared/database/index.ts';
import { connectPostgres } from '../../shared/database/postgres.ts';
import { isUnreachable } from '../../shared/database/unreachable.ts';
import { until } from '../support/cluster.ts';
import { type CuttableProxy, startCuttableProxy } from '../support/cuttable-proxy.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

const POOL_SIZE = 3;

let server: TestDatabase;
let proxy: CuttableProxy;
let database: Database;

beforeAll(async () => {
  server = await createTestDatabase();
});
afterAll(() => server?.drop());
beforeEach(async () => {
  proxy = await startCuttableProxy(server.url);
  database = connectPostgres(proxy.url, POOL_SIZE);
  await database.queries.none('create table if not exists notes (text text)');
});
afterEach(async () => {
  await database?.close();
  await proxy?.cut();
});

const answers = () => database.queries.one('select 1 as one');
const state = () => database.circuit?.();
const failure = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: Error & { code?: unknown }) => error,
  );
/** More than the pool has connections, and it would have to wait. */
const crowd = () => Array.from({ length: POOL_SIZE * 4 }, () => failure(answers()));

test('refused: the circuit opens, nothing is asked any more, and it closes by itself', async () => {
  await proxy.cut();
  for (const error of await Promise.all(crowd())) expect(error && isUnreachable(error)).toBe(true);
  await until(state, (is) => is !== 'closed');
  for (const error of await Promise.all(crowd())) expect(error?.code).toBe('CIRCUIT_OPEN');
  await proxy.restore();
  await until(state, (is) => is === 'closed');
  await answers();
});

test('hanging: all that waits fails, for a connection or on one, and the dead ones are gone when it is back', async () => {
  // Their connections are open, and will be dead
  await Promise.all(Array.from({ length: POOL_SIZE }, () => database.queries.one('select pg_sleep(0.1)')));
  proxy.hang();
  const startedAt = performance.now();
  for (const error of await Promise.all(crowd())) expect(error && isUnreachable(error)).toBe(true);
  // A statement's own time is 30 s, a connection's 5
  expect(performance.now() - startedAt).toBeLessThan(15_000);
  expect(state()).not.toBe('closed');
  expect((await failure(answers()))?.code).toBe('CIRCUIT_OPEN');
  await proxy.restore();
  await until(state, (is) => is === 'closed');
  expect(await Promise.all(crowd())).toEqual(Array.from({ length: POOL_SIZE * 4 }, () => undefined));
});

test('what was under way fails: a transaction is not carried on by the next connection, a lock is let go of', async () => {
  const inTransaction = database.queries.tx(async (transaction) => {
    await transaction.one("insert into notes values ('lost') returning text");
    const underLock = failure(
      database.locks.alone(4711, async (session) => {
        proxy.hang();
        await session.one('select 1');
      }),
    );
    const lost = await underLock;
    expect(lost && isUnreachable(lost)).toBe(true);
    await transaction.one('select 1');
  });
  const lost = await failure(inTransaction);
  expect(lost && isUnreachable(lost)).toBe(true);
  await proxy.restore();
  await until(state, (is) => is === 'closed');
  expect(await database.queries.any("select from notes where text = 'lost'")).toEqual([]);
  expect(await database.locks.alone(4711, (session) => session.one('select 1 as one'))).toEqual({ one: 1 });
});

test('what is wrong with a statement says nothing about the server, nor does a slow one, or a lost connection', async () => {
  const errors = await Promise.all(
    Array.from({ length: 10 }, () => failure(database.queries.one('select 1/0'))),
  );
  expect(errors.map((error) => error?.code)).toEqual(Array.from({ length: 10 }, () => '22012'));
  const states = new Set<unknown>();
  const watching = setInterval(() => states.add(state()), 10);
  // Long enough for its silence to be noticed
  const slow = database.queries.one('select pg_sleep(1.8)');
  const lost = failure(database.queries.one('select pg_sleep(60) as lost'));
  const killer = new Client({ connectionString: server.url });
  await killer.connect();
  await until(
    async () =>
      (
        await killer.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where query like '%as lost' and pid <> pg_backend_pid()",
        )
      ).rowCount,
    (count) => count === 1,
  );
  await killer.end();
  expect(isUnreachable((await lost) ?? new Error('it was not'))).toBe(true);
  await slow;
  clearInterval(watching);
  expect([...states]).toEqual(['closed']);
});

test('a server that is there and has no room is not taken for one that is away', async () => {
  const admin = new Client({ connectionString: server.url });
  await admin.connect();
  const role = `crowded_${process.pid}`;
  await admin.query(`create role ${role} login password 'crowded' connection limit 1`);
  const url = new URL(server.url);
  url.username = role;
  url.password = 'crowded';
  const crowded = connectPostgres(url.href, POOL_SIZE);
  try {
    await crowded.queries.task(async (only) => {
      await only.one('select 1');
      for (let asked = 0; asked < 3; asked++)
        expect((await failure(crowded.queries.one('select 1')))?.code).toBe('53300');
      await only.one('select pg_sleep(0.5)');
    });
    expect(crowded.circuit?.()).toBe('closed');
    await crowded.queries.one('select 1');
  } finally {
    await crowded.close();
    await until(
      async () => (await admin.query('select from pg_stat_activity where usename = $1', [role])).rowCount,
      (count) => count === 0,
    );
    await admin.query(`drop role ${role}`);
    await admin.end();
  }
});
