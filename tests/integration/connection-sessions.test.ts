import { randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { ConnectionWriter } from '../../shared/connections/writer.ts';
import type { Queries } from '../../shared/database/index.ts';
import { connectPostgres } from '../../shared/database/postgres.ts';
import { newProcessId } from '../../shared/liveness/process-id.ts';
import { RedisLiveness } from '../../shared/liveness/redis.ts';
import { createSoleLiveness } from '../../shared/liveness/sole.ts';
import { createLogger } from '../../shared/telemetry/log.ts';
import { type CuttableProxy, startCuttableProxy } from '../support/cuttable-proxy.ts';
import { createMigratedDatabase } from '../support/database.ts';
import { eventually, newPrefix, testRedis } from '../support/redis.ts';

const GONE_AFTER_MS = 1500;
const HEARTBEAT_MS = 150;
const LOOK_EVERY_MS = 200;
const log = createLogger('silent');

type Process = { id: string; writer: ConnectionWriter; open(sub: string): string; crash(): Promise<void> };

type Row = { id: string; broker_id: string; closed_at: Date | null; close_reason: string | null };

/** A deployment with a database and a name space of its own: most of a test is waiting, so all wait at the same time. */
class Deployment {
  readonly prefix = newPrefix();
  /** The last one first. */
  readonly ends: (() => Promise<void> | void)[] = [];
  readonly queries: Queries;

  constructor(queries: Queries) {
    this.queries = queries;
  }

  async startProcess(url?: string): Promise<Process> {
    const redis = testRedis(this.prefix, url);
    const liveness = await RedisLiveness.start({
      redis,
      processId: newProcessId(),
      goneAfterMs: GONE_AFTER_MS,
      heartbeatMs: HEARTBEAT_MS,
      log,
    });
    const { queries } = this;
    const writer = await ConnectionWriter.start({ queries, liveness, lookEveryMs: LOOK_EVERY_MS, log });
    this.ends.unshift(async () => {
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

  /** A connection of a process that is not there any more. */
  async leftOpen(sub: string, brokerId: string): Promise<void> {
    await this.queries.none(
      `insert into connection_sessions (sub, role, client_id, broker_id, transport)
       values ($(sub), 'DRIVER', 'x', $(brokerId), 'TCP')`,
      { sub, brokerId },
    );
  }

  rowsOf(sub: string): Promise<Row[]> {
    return this.queries.any<Row>(
      'select id, broker_id, closed_at, close_reason from connection_sessions where sub = $1',
      [sub],
    );
  }

  async stateOf(sub: string): Promise<string[]> {
    return (await this.rowsOf(sub)).map(({ close_reason }) => close_reason ?? 'OPEN').sort();
  }

  becomes(sub: string, ...states: string[]): Promise<string[]> {
    return eventually(
      () => this.stateOf(sub),
      (found) => JSON.stringify(found) === JSON.stringify(states),
    );
  }
}

const inDeployment = (work: (deployment: Deployment) => Promise<void>) => async () => {
  const testDatabase = await createMigratedDatabase();
  const database = connectPostgres(testDatabase.url, 8);
  const deployment = new Deployment(database.queries);
  try {
    await work(deployment);
  } finally {
    for (const end of deployment.ends) await end();
    await database.close();
    await testDatabase.drop();
  }
};

const longEnough = () => new Promise((resolve) => setTimeout(resolve, GONE_AFTER_MS + LOOK_EVERY_MS * 3));

test.concurrent(
  'the connections of a broker that died are closed by who is alive, and no others',
  inDeployment(async (deployment) => {
    const [dying, living] = [await deployment.startProcess(), await deployment.startProcess()];
    dying.open('lost');
    living.open('kept');
    await deployment.becomes('lost', 'OPEN');
    await deployment.becomes('kept', 'OPEN');
    await longEnough();
    expect([await deployment.stateOf('lost'), await deployment.stateOf('kept')]).toEqual([
      ['OPEN'],
      ['OPEN'],
    ]);
    const [row] = await deployment.rowsOf('lost');
    expect(row?.broker_id).toBe(dying.id);
    expect(dying.id).not.toBe(living.id);
    await dying.crash();
    await deployment.becomes('lost', 'BROKER_LOST');
    expect(await deployment.stateOf('kept')).toEqual(['OPEN']);
  }),
);

test.concurrent(
  'a new process leaves the connections of the others alone',
  inDeployment(async (deployment) => {
    const old = await deployment.startProcess();
    old.open('kept');
    await deployment.becomes('kept', 'OPEN');
    await deployment.startProcess();
    await longEnough();
    expect(await deployment.stateOf('kept')).toEqual(['OPEN']);
  }),
);

test.concurrent(
  'connections of a process that Redis never heard of, or has forgotten, are closed',
  inDeployment(async (deployment) => {
    await deployment.leftOpen('forgotten', 'somebody-of-yore');
    await deployment.startProcess();
    await deployment.becomes('forgotten', 'BROKER_LOST');
  }),
);

test.concurrent(
  'a Redis that is restarted empty makes nobody lost',
  inDeployment(async (deployment) => {
    const processes = [await deployment.startProcess(), await deployment.startProcess()];
    for (const [index, { open }] of processes.entries()) open(`kept-${index}`);
    await longEnough();
    const redis = testRedis(deployment.prefix);
    deployment.ends.unshift(() => redis.close());
    const admin = redis.connect('admin');
    await eventually(
      () => admin.status,
      (status) => status === 'ready',
    );
    await admin.del(...(await admin.keys(`${deployment.prefix}*`)));
    await longEnough();
    expect([await deployment.stateOf('kept-0'), await deployment.stateOf('kept-1')]).toEqual([
      ['OPEN'],
      ['OPEN'],
    ]);
  }),
);

test.concurrent(
  'a broker that was only cut off is listed again, with how its connections ended meanwhile',
  inDeployment(async (deployment) => {
    const proxy: CuttableProxy = await startCuttableProxy(process.env.TEST_REDIS_URL ?? '');
    deployment.ends.unshift(() => proxy.cut());
    const [cutOff] = [await deployment.startProcess(proxy.url), await deployment.startProcess()];
    const [, ended] = [cutOff.open('away'), cutOff.open('away')];
    await deployment.becomes('away', 'OPEN', 'OPEN');
    await proxy.cut();
    await deployment.becomes('away', 'BROKER_LOST', 'BROKER_LOST');
    cutOff.writer.closed(ended, Date.now(), 'DISCONNECTED');
    await eventually(
      () => deployment.stateOf('away'),
      (found) => found.includes('DISCONNECTED'),
    );
    await proxy.restore();
    await deployment.becomes('away', 'DISCONNECTED', 'OPEN');
  }),
);

test.concurrent(
  'one process alone closes at its start whatever is open',
  inDeployment(async (deployment) => {
    await deployment.leftOpen('left', 'the-last-one');
    const writer = await ConnectionWriter.start({
      queries: deployment.queries,
      liveness: createSoleLiveness(newProcessId()),
      log,
    });
    deployment.ends.unshift(() => writer.stop());
    expect(await deployment.stateOf('left')).toEqual(['LOST']);
  }),
);
