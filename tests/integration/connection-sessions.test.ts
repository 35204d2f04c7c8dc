import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { ConnectionWriter } from '../../shared/connections/writer.ts';
import type { Database } from '../../shared/database/index.ts';
import { migrate } from '../../shared/database/migrate.ts';
import { connectPostgres } from '../../shared/database/postgres.ts';
import { newProcessId } from '../../shared/liveness/process-id.ts';
import { RedisLiveness } from '../../shared/liveness/redis.ts';
import { createSoleLiveness } from '../../shared/liveness/sole.ts';
import { createLogger } from '../../shared/telemetry/log.ts';
import { type CuttableProxy, startCuttableProxy } from '../support/cuttable-proxy.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually, newPrefix, testRedis } from '../support/redis.ts';

const GONE_AFTER_MS = 1500;
const HEARTBEAT_MS = 150;
const LOOK_EVERY_MS = 200;
const log = createLogger('silent');

let testDatabase: TestDatabase;
let database: Database;
let prefix: string;
let ends: (() => Promise<void> | void)[];

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  database = connectPostgres(testDatabase.url, 8);
  await migrate(database.connectionString, log);
});
afterAll(async () => {
  await database?.close();
  await testDatabase?.drop();
});
beforeEach(async () => {
  prefix = newPrefix();
  ends = [];
  await database.queries.none('delete from connection_sessions');
});
afterEach(async () => {
  for (const end of ends.reverse()) await end();
});

type Process = { id: string; writer: ConnectionWriter; open(sub: string): string; crash(): Promise<void> };

async function startProcess(url?: string): Promise<Process> {
  const redis = testRedis(prefix, url);
  const liveness = await RedisLiveness.start({
    redis,
    processId: newProcessId(),
    goneAfterMs: GONE_AFTER_MS,
    heartbeatMs: HEARTBEAT_MS,
    log,
  });
  const writer = await ConnectionWriter.start({
    queries: database.queries,
    liveness,
    lookEveryMs: LOOK_EVERY_MS,
    log,
  });
  ends.push(async () => {
    await writer.stop();
    await liveness.stop();
    redis.close();
  });
  return {
    id: liveness.processId,
    writer,
    open(sub) {
      const id = randomUUID();
      writer.opened({
        id,
        sub,
        role: 'DRIVER',
        clientId: 'phone',
        transport: 'TCP',
        remoteAddress: undefined,
        openedAt: Date.now(),
      });
      return id;
    },
    // Nothing more is heard of it, nor written by it
    async crash() {
      redis.close();
      await writer.stop();
    },
  };
}

type Row = { id: string; broker_id: string; closed_at: Date | null; close_reason: string | null };

const rowsOf = (sub: string) =>
  database.queries.any<Row>(
    'select id, broker_id, closed_at, close_reason from connection_sessions where sub = $1',
    [sub],
  );
const stateOf = async (sub: string) =>
  (await rowsOf(sub)).map(({ close_reason }) => close_reason ?? 'OPEN').sort();
const becomes = (sub: string, ...states: string[]) =>
  eventually(
    () => stateOf(sub),
    (found) => JSON.stringify(found) === JSON.stringify(states),
  );
const longEnough = () => new Promise((resolve) => setTimeout(resolve, GONE_AFTER_MS + LOOK_EVERY_MS * 3));

test('the connections of a broker that died are closed by who is alive, and no others', async () => {
  const [dying, living] = [await startProcess(), await startProcess()];
  dying.open('lost');
  living.open('kept');
  await becomes('lost', 'OPEN');
  await becomes('kept', 'OPEN');
  await longEnough();
  expect([await stateOf('lost'), await stateOf('kept')]).toEqual([['OPEN'], ['OPEN']]);
  const [row] = await rowsOf('lost');
  expect(row?.broker_id).toBe(dying.id);
  expect(dying.id).not.toBe(living.id);
  await dying.crash();
  await becomes('lost', 'BROKER_LOST');
  expect(await stateOf('kept')).toEqual(['OPEN']);
});

test('a new process leaves the connections of the others alone', async () => {
  const old = await startProcess();
  old.open('kept');
  await becomes('kept', 'OPEN');
  await startProcess();
  await longEnough();
  expect(await stateOf('kept')).toEqual(['OPEN']);
});

test('connections of a process that Redis never heard of, or has forgotten, are closed', async () => {
  await database.queries.none(
    `insert into connection_sessions (sub, role, client_id, broker_id, transport)
     values ('forgotten', 'DRIVER', 'x', 'somebody-of-yore', 'TCP')`,
  );
  await startProcess();
  await becomes('forgotten', 'BROKER_LOST');
});

test('a Redis that is restarted empty makes nobody lost', async () => {
  const processes = [await startProcess(), await startProcess()];
  for (const [index, { open }] of processes.entries()) open(`kept-${index}`);
  await longEnough();
  const redis = testRedis(prefix);
  ends.push(() => redis.close());
  const admin = redis.connect('admin');
  await eventually(
    () => admin.status,
    (status) => status === 'ready',
  );
  await admin.del(...(await admin.keys(`${prefix}*`)));
  await longEnough();
  expect([await stateOf('kept-0'), await stateOf('kept-1')]).toEqual([['OPEN'], ['OPEN']]);
});

test('a broker that was only cut off is listed again, with how its connections ended meanwhile', async () => {
  const proxy: CuttableProxy = await startCuttableProxy(process.env.TEST_REDIS_URL ?? '');
  ends.push(() => proxy.cut());
  const [cutOff] = [await startProcess(proxy.url), await startProcess()];
  const [, ended] = [cutOff.open('away'), cutOff.open('away')];
  await becomes('away', 'OPEN', 'OPEN');
  await proxy.cut();
  await becomes('away', 'BROKER_LOST', 'BROKER_LOST');
  cutOff.writer.closed(ended, Date.now(), 'DISCONNECTED');
  await eventually(
    () => stateOf('away'),
    (found) => found.includes('DISCONNECTED'),
  );
  await proxy.restore();
  await becomes('away', 'DISCONNECTED', 'OPEN');
});

test('one process alone closes at its start whatever is open', async () => {
  await database.queries.none(
    `insert into connection_sessions (sub, role, client_id, broker_id, transport)
     values ('left', 'DRIVER', 'x', 'the-last-one', 'TCP')`,
  );
  const writer = await ConnectionWriter.start({
    queries: database.queries,
    liveness: createSoleLiveness(newProcessId()),
    log,
  });
  ends.push(() => writer.stop());
  expect(await stateOf('left')).toEqual(['LOST']);
});
