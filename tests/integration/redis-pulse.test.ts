import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { RedisConnections } from '../../shared/redis/connections.ts';
import { createLogger } from '../../shared/telemetry/log.ts';
import { until } from '../support/cluster.ts';
import { type CuttableProxy, startCuttableProxy } from '../support/cuttable-proxy.ts';
import { newPrefix } from '../support/redis.ts';

let proxy: CuttableProxy;
let connections: RedisConnections;

beforeAll(async () => {
  proxy = await startCuttableProxy(process.env.TEST_REDIS_URL ?? '');
  connections = new RedisConnections(proxy.url, newPrefix(), createLogger('silent'));
});
afterAll(async () => {
  connections?.close();
  await proxy?.cut();
});

test('connections on which nothing is answered any more are made anew, whatever they are for', async () => {
  const channel = connections.key('channel');
  const stream = connections.key('stream');
  const commands = connections.connect('commands');
  const subscriber = connections.connect('subscriber');
  const reader = connections.connect('reader', { commandTimeout: 3000 });
  await connections.ready(20_000);
  await subscriber.subscribe(channel);
  const heard: string[] = [];
  subscriber.on('message', (_channel, text) => heard.push(text));
  // It asks every second, and the one that is blocked meanwhile is none of the dead
  for (let turn = 0; turn < 3; turn++)
    expect(await reader.xread('BLOCK', 500, 'STREAMS', stream, '$')).toBeNull();
  expect(connections.circuit).toBe('closed');

  proxy.hang();
  const all = [commands, subscriber, reader];
  await until(
    () => all.map(({ status }) => status),
    (statuses) => !statuses.includes('ready'),
  );
  expect(connections.circuit).not.toBe('closed');
  const askedAt = performance.now();
  await expect(commands.ping()).rejects.toThrow();
  expect(performance.now() - askedAt).toBeLessThan(1500);

  await proxy.restore();
  await until(
    () => connections.circuit,
    (state) => state === 'closed',
  );
  await until(
    async () => {
      await commands.publish(channel, 'back');
      return heard;
    },
    (texts) => texts.includes('back'),
  );
});
