import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { Redis } from 'ioredis';
import type { Platform } from '../platform.ts';
import { type ClusterSize, PlatformCluster, type Role } from '../platform-cluster.ts';
import { type RestartableServers, startRestartableServers } from '../services/index.ts';
import { LAST_VERSION, Load, type LoadOptions } from './load.ts';
import { COLLECT_ON_SIGNAL, heldMemory } from './memory.ts';
import { between, chaosSeed, type Random, seededRandom } from './random.ts';
import { report } from './report.ts';

/** Drivers, and as many riders. */
const PAIRS = 30;
/** MiB that a process may hold after a fault beyond what one of its role held before it. Compiled code alone takes some. */
const MEMORY_ALLOWANCE = 40;

export type FaultOptions = Omit<LoadOptions, 'pairs' | 'random'> & {
  pairs?: number;
  /** Riders come back to a session in which it could not be noted what they had been sent. */
  mayRepeatStatuses?: boolean;
  /** What a client may be told meanwhile. */
  mayBeRefused?: boolean;
};

/** Processes of the product over a Redis (AOF, always) and a PostgreSQL (fsync) that are this test's own, and may be killed. */
export class Stage {
  readonly cluster: PlatformCluster;
  readonly servers: RestartableServers;
  readonly redis: Redis;
  readonly random: Random;

  private constructor(servers: RestartableServers, cluster: PlatformCluster, random: Random) {
    this.servers = servers;
    this.cluster = cluster;
    this.random = random;
    this.redis = new Redis(servers.redis.url, { retryStrategy: () => 200, maxRetriesPerRequest: null });
    this.redis.on('error', () => undefined);
  }

  static async start(title: string, size: Partial<ClusterSize> = {}): Promise<Stage> {
    process.stderr.write(`${title}: CHAOS_SEED=${chaosSeed}\n`);
    const servers = await startRestartableServers();
    try {
      const cluster = await PlatformCluster.start({
        ...size,
        databaseServer: servers.postgres.url,
        redisUrl: servers.redis.url,
        env: { ...COLLECT_ON_SIGNAL, LOG_LEVEL: process.env.CHAOS_LOGS ? 'debug' : 'info' },
      });
      return new Stage(servers, cluster, seededRandom(chaosSeed));
    } catch (error) {
      await stopServers(servers);
      throw error;
    }
  }

  /** Lets a load run, does the fault in its midst, and holds everything against the promises. */
  async fault(
    { pairs = PAIRS, mayRepeatStatuses = false, mayBeRefused = false, ...options }: FaultOptions,
    strike: (load: Load) => Promise<void>,
  ): Promise<Load> {
    const { name, spanMs } = options;
    const tell = (what: string) => process.stderr.write(`${name}: ${what}\n`);
    const before = await this.memory();
    const load = await Load.start(this.cluster, {
      ...options,
      name: name.replaceAll(/[^a-z0-9]+/gi, '-'),
      pairs,
      random: this.random,
    });
    const startedAt = Date.now();
    try {
      tell('under load');
      await this.pause(500, 2000);
      await strike(load);
      await pause(Math.max(0, startedAt + spanMs - Date.now()));
      tell('over');
      await load.settle();
      const account = await load.account();
      const clients = [...load.drivers, ...load.riders];
      const gaps = clients.flatMap((client) => client.gaps);
      report({ fault: name, ...account, longestGapMs: gaps.length === 0 ? undefined : Math.max(...gaps) });
      expect(account).toMatchObject({
        acknowledged: account.sent,
        stored: account.sent,
        doubled: 0,
        lost: 0,
        invented: 0,
      });
      for (const { tripId, newest, missed, outOfOrder, wentBack, repeated, statuses } of load.riders) {
        const told = {
          newest,
          missed,
          outOfOrder,
          wentBack,
          // At least once: what was published, and not noted before whoever published it was gone, is published again
          repeated: mayRepeatStatuses ? 0 : repeated,
        };
        const promised = { newest: LAST_VERSION, missed: [], outOfOrder: [], wentBack: 0, repeated: 0 };
        if (JSON.stringify(told) !== JSON.stringify(promised))
          throw new Error(`the rider of ${tripId}: ${JSON.stringify({ ...told, statuses })}`);
      }
      if (!mayBeRefused) {
        expect(clients.flatMap(({ refusals }) => refusals)).toEqual([]);
        expect(load.drivers.flatMap(({ errors }) => errors)).toEqual([]);
      }
      expect(clients.reduce((sum, { forgotten }) => sum + forgotten, 0)).toBe(0);
    } finally {
      await load.end();
    }
    this.expectAllUp();
    await this.expectMemory(before);
    return load;
  }

  /** kill -9, and another one in its place at once. */
  async killAndReplace(role: Role): Promise<void> {
    const all = this.processes(role);
    const killed = await this.cluster.kill(role, Math.floor(this.random() * all.length));
    await this.cluster.replace(role, killed);
  }

  pause(fromMs: number, toMs: number): Promise<void> {
    return pause(between(this.random, fromMs, toMs));
  }

  async stop(): Promise<void> {
    if (process.env.CHAOS_LOGS) this.keepLogs(process.env.CHAOS_LOGS);
    this.redis.disconnect();
    await this.cluster.stop();
    await stopServers(this.servers);
  }

  processes(role: Role): readonly Platform[] {
    return { broker: this.cluster.brokers, ingest: this.cluster.ingests, api: this.cluster.apis }[role];
  }

  private get all(): Platform[] {
    return [...this.cluster.brokers, ...this.cluster.ingests, ...this.cluster.apis];
  }

  private expectAllUp(): void {
    for (const { process: child, output } of this.all)
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`a process is down: ${output.slice(-20).join('\n')}`);
  }

  /** The most that a process of each role holds. */
  private async memory(): Promise<Record<Role, number>> {
    const most = async (role: Role) => Math.max(...(await Promise.all(this.processes(role).map(heldMemory))));
    return { broker: await most('broker'), ingest: await most('ingest'), api: await most('api') };
  }

  private async expectMemory(before: Record<Role, number>): Promise<void> {
    for (let left = 50; ; left--) {
      const now = await this.memory();
      const grown = (['broker', 'ingest', 'api'] as const).filter(
        (role) => now[role] > before[role] + MEMORY_ALLOWANCE,
      );
      if (grown.length === 0) return;
      if (left === 0) throw new Error(`MiB held before and after: ${JSON.stringify({ before, now })}`);
      await pause(200);
    }
  }

  private keepLogs(directory: string): void {
    mkdirSync(directory, { recursive: true });
    for (const { process: child, output } of [...this.all, ...this.cluster.gone])
      writeFileSync(join(directory, `${child.pid}.log`), output.join('\n'));
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function stopServers({ postgres, redis }: RestartableServers): Promise<void> {
  await Promise.all([postgres.server.stop(), redis.server.stop()]);
}
