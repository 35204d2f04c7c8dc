import { type Cluster, Redis } from 'ioredis';
import { onNodesReady } from './fail-fast-cluster.ts';

/** Redis Cluster specification: the hash slots that its nodes share. */
const SLOTS = 16_384;

/** One server, of whoever is the master there now, or a Redis Cluster: commands, scripts and events are the same. */
export type RedisConnection = Redis | Cluster;

/** Calls back whenever a connection can be used (again); of a Redis Cluster, also when one of its nodes can. */
export function onReady(connection: RedisConnection, listener: () => void): void {
  if (connection instanceof Redis) connection.on('ready', listener);
  else onNodesReady(connection, listener);
}

/** Makes a connection anew that looks alive, and is not. One that is being made is left to it: ioredis would give it up for good. */
export function renew(connection: RedisConnection): void {
  if (connection.status === 'ready') connection.disconnect(true);
}

/** Rejects unless all of Redis can be used: of a Redis Cluster, every slot. */
export async function checkReachable(connection: RedisConnection): Promise<void> {
  if (connection instanceof Redis) {
    await connection.ping();
    return;
  }
  const info = String(await connection.cluster('INFO'));
  // With cluster-require-full-coverage off its state is ok all the same
  if (!info.includes('cluster_state:ok') || !info.includes(`cluster_slots_ok:${SLOTS}`))
    throw new Error('a part of the Redis Cluster is down');
  await Promise.all(connection.nodes('master').map((node) => node.ping()));
}

/** A command given as words. A script that is loaded is on every node of a Redis Cluster then, wherever its key will be. */
export async function call(connection: RedisConnection, words: readonly string[]): Promise<unknown> {
  const [command = '', ...args] = words;
  if (connection instanceof Redis || command !== 'SCRIPT') return connection.call(command, ...args);
  const answers = await Promise.allSettled(
    connection.nodes('master').map((node) => node.call(command, ...args)),
  );
  const loaded = answers.find((answer) => answer.status === 'fulfilled');
  if (loaded === undefined) throw new Error('no node of the Redis Cluster answers');
  return loaded.value;
}

/** Removes keys; those of one group are on one node of a Redis Cluster. */
export async function unlink(
  connection: RedisConnection,
  groups: readonly (readonly string[])[],
): Promise<void> {
  const calls = connection.isCluster ? groups : [groups.flat()];
  await Promise.all(calls.filter(({ length }) => length > 0).map((keys) => connection.unlink(...keys)));
}

export async function untilReady(connection: RedisConnection, timeoutMs: number): Promise<void> {
  if (connection.status === 'ready') return;
  await new Promise<void>((resolve, reject) => {
    const ready = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(() => {
      connection.off('ready', ready);
      reject(new Error(`Redis does not answer within ${timeoutMs} ms`));
    }, timeoutMs);
    connection.once('ready', ready);
  });
}
