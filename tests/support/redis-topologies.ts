import { Redis } from 'ioredis';
import { eventually } from './redis.ts';
import { freePort } from './services/free-port.ts';
import { redisProgram } from './services/index.ts';
import { type RestartableRedis, startRestartableRedis, startSentinel } from './services/redis.ts';

const SLOTS = 16_384;
const MASTER = 'fleet';
/** With what an address has to have percent-encoded. */
export const REDIS_PASSWORD = 'fleet:p@ss,word/1';
const SENTINEL_PASSWORD = 'watch&word';

/** Of servers that log in to one another, too. */
const secured = { requirepass: REDIS_PASSWORD, masterauth: REDIS_PASSWORD };
const credentials = `:${encodeURIComponent(REDIS_PASSWORD)}@`;

/** One server of several, and a connection to it. */
export type Member = RestartableRedis & { redis: Redis };

async function member(started: Promise<RestartableRedis>): Promise<Member> {
  const server = await started;
  const redis = new Redis(server.url, {
    retryStrategy: () => 100,
    maxRetriesPerRequest: null,
    disconnectTimeout: 200,
  });
  // A test kills it
  redis.on('error', () => undefined);
  return { ...server, redis };
}

async function stopAll(members: readonly Member[]): Promise<void> {
  for (const { redis } of members) redis.disconnect();
  await Promise.all(members.map(({ server }) => server.stop()));
}

/** Of those that start some do not: the others are ended. */
async function allOrNone(starting: readonly Promise<Member>[]): Promise<Member[]> {
  const settled = await Promise.allSettled(starting);
  const started = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = settled.find((one) => one.status === 'rejected');
  if (failed === undefined) return started;
  await stopAll(started);
  throw failed.reason;
}

export type RedisCluster = {
  /** For REDIS_URL. */
  url: string;
  masters: Member[];
  /** Each of the master with the same index. */
  replicas: Member[];
  stop(): Promise<void>;
};

export type ClusterShape = {
  replicated?: boolean;
  /** ms without an answer after which the others take a node for dead. */
  nodeTimeoutMs?: number;
};

/** A real Redis Cluster of three masters, and of as many replicas where they are asked for. */
export async function startRedisCluster({
  replicated = false,
  nodeTimeoutMs = 15_000,
}: ClusterShape = {}): Promise<RedisCluster> {
  const binary = await redisProgram();
  const start = async () => {
    const bus = String(await freePort());
    const settings = {
      ...secured,
      'cluster-enabled': 'yes',
      // Who needs nothing of a node that is away, goes on
      'cluster-require-full-coverage': 'no',
      'cluster-port': bus,
      'cluster-node-timeout': String(nodeTimeoutMs),
    };
    return { bus, ...(await member(startRestartableRedis(binary, settings))) };
  };
  const nodes = (await allOrNone(Array.from({ length: replicated ? 6 : 3 }, start))) as (Member & {
    bus: string;
  })[];
  const [masters, replicas] = [nodes.slice(0, 3), nodes.slice(3)];
  const stop = () => stopAll(nodes);
  try {
    await Promise.all(
      masters.map(async ({ redis }, index) => {
        const [from, to] = [index, index + 1].map((part) => Math.round((SLOTS * part) / masters.length));
        await redis.cluster('SET-CONFIG-EPOCH', index + 1);
        await redis.call('CLUSTER', 'ADDSLOTSRANGE', String(from), String((to ?? 0) - 1));
      }),
    );
    // Each meets all, as gossip alone takes seconds
    for (const { redis } of nodes)
      for (const { port, bus } of nodes) await redis.call('CLUSTER', 'MEET', '127.0.0.1', String(port), bus);
    await Promise.all(nodes.map((node) => knowsAll(node, nodes.length)));
    await Promise.all(
      replicas.map(async ({ redis }, index) => {
        await redis.cluster('REPLICATE', String(await masters[index]?.redis.cluster('MYID')));
        await eventually(
          () => redis.info('replication'),
          (text) => text.includes('master_link_status:up'),
        );
      }),
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `redis+cluster://${credentials}${addresses(masters)}`, masters, replicas, stop };
}

const addresses = (members: readonly Member[]) => members.map(({ port }) => `127.0.0.1:${port}`).join(',');

const knowsAll = ({ redis }: Member, count: number) =>
  eventually(
    async () => String(await redis.cluster('INFO')),
    (text) => text.includes('cluster_state:ok') && text.includes(`cluster_known_nodes:${count}\r`),
  );

export type SentinelServers = {
  /** For REDIS_URL. */
  url: string;
  /** The first one is the master at first. */
  servers: Member[];
  sentinels: Member[];
  /** As the sentinels say: the one that is the master now. */
  master(): Promise<Member>;
  stop(): Promise<void>;
};

/** A master with two replicas, of which one has to have what it writes, and three sentinels that watch them. */
export async function startSentinelServers(): Promise<SentinelServers> {
  const binary = await redisProgram();
  const settings = { ...secured, 'min-replicas-to-write': '1', 'repl-diskless-sync-delay': '0' };
  const all: Member[] = [];
  const stop = () => stopAll(all);
  try {
    const first = await member(startRestartableRedis(binary, settings));
    all.push(first);
    const replicaof = `127.0.0.1 ${first.port}`;
    const replica = () => member(startRestartableRedis(binary, { ...settings, replicaof }));
    const replicas = await allOrNone([replica(), replica()]);
    all.push(...replicas);
    const servers = [first, ...replicas];
    const watch = [
      `sentinel monitor ${MASTER} 127.0.0.1 ${first.port} 2`,
      `sentinel down-after-milliseconds ${MASTER} 2000`,
      `sentinel failover-timeout ${MASTER} 10000`,
      `sentinel auth-pass ${MASTER} ${REDIS_PASSWORD}`,
      `sentinel sentinel-pass ${SENTINEL_PASSWORD}`,
    ];
    const sentinel = () => member(startSentinel(binary, watch, SENTINEL_PASSWORD));
    const sentinels = await allOrNone([sentinel(), sentinel(), sentinel()]);
    all.push(...sentinels);
    await eventually(
      () => first.redis.info('replication'),
      (text) => text.includes('min_slaves_good_slaves:2'),
    );
    await Promise.all(sentinels.map(knowsTheOthers));
    const master = async () => {
      const [sentinel] = sentinels as [Member];
      const said = await sentinel.redis.call('SENTINEL', 'get-master-addr-by-name', MASTER);
      const port = Number((said as string[])[1]);
      const found = servers.find((server) => server.port === port);
      if (found === undefined) throw new Error(`the sentinels have an unknown master: ${port}`);
      return found;
    };
    return {
      url: `redis+sentinel://${credentials}${addresses(sentinels)}/${MASTER}?sentinelPassword=${encodeURIComponent(SENTINEL_PASSWORD)}`,
      servers,
      sentinels,
      master,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Before that there is nobody to be promoted, or no majority. */
const knowsTheOthers = ({ redis }: Member) =>
  eventually(
    async () => {
      const known = (what: string) => redis.call('SENTINEL', what, MASTER) as Promise<unknown[]>;
      return { replicas: (await known('REPLICAS')).length, others: (await known('SENTINELS')).length };
    },
    ({ replicas, others }) => replicas === 2 && others === 2,
  );
