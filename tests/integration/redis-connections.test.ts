import { once } from 'node:events';
import { afterEach, expect, test } from '@jest/globals';
import { checkReachable, type RedisConnection } from '../../shared/redis/connection.ts';
import type { RedisConnections } from '../../shared/redis/connections.ts';
import { eventually, newPrefix, testRedis } from '../support/redis.ts';
import { freePort } from '../support/services/free-port.ts';
import { redisProgram } from '../support/services/index.ts';
import { startRestartableRedis } from '../support/services/redis.ts';

const opened: RedisConnections[] = [];
const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const connections of opened.splice(0)) connections.close();
  for (const end of endings.splice(0)) await end();
});

function connectionsTo(url: string): RedisConnections {
  const connections = testRedis(newPrefix(), url);
  opened.push(connections);
  return connections;
}

test.each([
  ['a server', (port: number) => `redis://127.0.0.1:${port}`],
  ['the nodes of a Redis Cluster', (port: number) => `redis+cluster://127.0.0.1:${port},localhost:${port}`],
  ['the sentinels', (port: number) => `redis+sentinel://127.0.0.1:${port},localhost:${port}/fleet`],
])('while %s can not be reached a command fails at once', async (_, urlOf) => {
  const connections = connectionsTo(urlOf(await freePort()));
  const connection = connections.connect('test');
  for (const tries = [0, 100]; tries.length > 0; ) {
    await new Promise((resolve) => setTimeout(resolve, tries.shift()));
    const askedAt = performance.now();
    await expect(connection.set('a', 'b')).rejects.toThrow();
    await expect(checkReachable(connection)).rejects.toThrow();
    // Far from its 20 s for an answer
    expect(performance.now() - askedAt).toBeLessThan(5000);
  }
  await expect(connections.ready(100)).rejects.toThrow(/does not answer within 100 ms/);
});

test('a connection to a server that has become a replica is made anew, and what was refused is not sent again', async () => {
  const { url, server } = await startRestartableRedis(await redisProgram());
  endings.push(() => server.stop());
  const connections = connectionsTo(url);
  const [connection, admin] = [connections.connect('test'), connections.connect('admin')];
  await connections.ready(10_000);
  await connection.set('before', '1');
  await admin.call('REPLICAOF', '127.0.0.1', String(await freePort()));
  const closed = once(connection, 'close');
  await expect(connection.set('refused', '1')).rejects.toThrow(/^READONLY /);
  await closed;
  await admin.call('REPLICAOF', 'NO', 'ONE');
  const back = await eventually(
    () => written(connection),
    (isWritten) => isWritten,
  );
  expect(back).toBe(true);
  expect(await connection.mget('before', 'refused')).toEqual(['1', null]);
});

const written = (connection: RedisConnection) =>
  connection.set('after', '1').then(
    () => true,
    () => false,
  );
