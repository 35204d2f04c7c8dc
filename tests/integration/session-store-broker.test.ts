import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { connect, type MqttClient } from 'mqtt';
import { messageOf, TestCluster, until } from '../support/cluster.ts';
import { type BrokerNode, brokerNode, storeNode } from '../support/cluster-broker.ts';

let cluster: TestCluster;

beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.stop());

const persistent = { clientId: 'phone', clean: false } as const;
const topic = 'drivers/d/errors';

type Received = { topic: string; text: string; qos: number; retain: boolean; dup: boolean };

function listen(client: MqttClient): Received[] {
  const received: Received[] = [];
  client.on('message', (topic, payload, { qos, retain, dup }) =>
    received.push({ topic, text: payload.toString(), qos, retain, dup }),
  );
  return received;
}

/** What waits is sent right behind CONNACK. */
async function takeUp(
  node: BrokerNode,
  options: object = persistent,
): Promise<{ client: MqttClient; received: Received[] }> {
  const client = connect(`mqtt://127.0.0.1:${node.port}`, { reconnectPeriod: 0, ...options });
  const received = listen(client);
  client.on('error', () => undefined);
  cluster.atEnd(async () => client.end(true));
  await new Promise((resolve) => client.once('connect', resolve));
  return { client, received };
}

const texts = (received: readonly Received[]) => received.map(({ text }) => text);

const sessionsAt = async (node: BrokerNode, count: number) =>
  until(
    async () => (await node.store.subscriptionsByTopic(topic)).length,
    (length) => length === count,
  );

describe.each([1, 2] as const)('messages asked for at QoS %i', (qos) => {
  test('that wait are sent by the broker that the client comes back to, in order, once; then what is live', async () => {
    const [one, two] = [await brokerNode(cluster), await brokerNode(cluster)];
    const relay = await storeNode(cluster);
    const away = await one.client(persistent);
    await away.subscribeAsync(topic, { qos });
    await away.endAsync();
    await until(
      async () => (await relay.store.subscriptionsByTopic(topic)).length,
      (length) => length === 1,
    );
    const sent = Array.from({ length: 120 }, (_, index) => `m${index}`);
    for (const text of sent) await relay.publisher.notify({ topic, payload: Buffer.from(text) });
    const { client, received } = await takeUp(two);
    await until(
      () => received.length,
      (length) => length >= sent.length,
    );
    await relay.publisher.notify({ topic, payload: Buffer.from('live') });
    await until(
      () => texts(received).at(-1),
      (text) => text === 'live',
    );
    expect(texts(received)).toEqual([...sent, 'live']);
    expect(received.every((message) => message.qos === qos && !message.retain)).toBe(true);
    // All was acknowledged: nothing comes again, at neither broker
    await until(
      () => cluster.keys(),
      (keys) => !keys.join().includes('queue'),
    );
    await client.endAsync();
    const again = await takeUp(one);
    await sleep(100);
    expect(again.received).toEqual([]);
    expect(one.errors).toEqual([]);
  });

  test('that were sent and not acknowledged come again, at another broker', async () => {
    const [one, two] = [await brokerNode(cluster), await brokerNode(cluster)];
    const deaf = await one.client({ ...persistent, manualACK: true } as object);
    await deaf.subscribeAsync(topic, { qos });
    deaf.handleMessage = () => undefined;
    await sessionsAt(two, 1);
    await one.publisher.notify({ topic, payload: Buffer.from('unheard') });
    await until(
      () => cluster.keys(),
      (keys) => keys.join().includes(':ids'),
    );
    deaf.stream.destroy();
    const { received } = await takeUp(two);
    await until(
      () => texts(received).join(),
      (text) => text === 'unheard',
    );
  });
});

test('a client that comes to another broker closes its connection at the first', async () => {
  const [one, two] = [await brokerNode(cluster), await brokerNode(cluster)];
  const first = await one.client(persistent);
  const closed = new Promise<void>((resolve) => first.once('close', () => resolve()));
  await two.client(persistent);
  await closed;
  await until(
    () => Object.keys(one.broker.everyClient()).length,
    (count) => count === 0,
  );
});

describe('while Redis is away, a client whose session is clean', () => {
  const will = { topic: 'drivers/d/status', payload: Buffer.from('OFFLINE'), qos: 1 as const, retain: false };

  test('comes, subscribes, publishes at every QoS, hears others, and goes, with or without a will', async () => {
    const node = await brokerNode(cluster);
    const there = await node.client({ clientId: 'there' });
    const heard = listen(there);
    await there.subscribeAsync('drivers/#', { qos: 2 });
    await node.network.cut();
    await until(
      () => node.emitter.joined(0),
      (isJoined) => !isJoined,
    );
    const client = await node.client({ clientId: 'come', will });
    const received = listen(client);
    const granted = await client.subscribeAsync(['drivers/+/status', 'drivers/d/status', 'a'], { qos: 1 });
    expect(granted.map(({ qos }) => qos)).toEqual([1, 1, 1]);
    for (const qos of [0, 1, 2] as const) await there.publishAsync('a', `qos ${qos}`, { qos });
    await node.publisher.notify({ topic: will.topic, payload: Buffer.from('ONLINE'), retain: true });
    await until(
      () => texts(received).toSorted().join(),
      (all) => all === 'ONLINE,qos 0,qos 1,qos 2',
    );
    client.stream.destroy();
    await until(
      () => texts(heard),
      (all) => all.includes('OFFLINE'),
    );
    await client.endAsync(true);
    await there.unsubscribeAsync('drivers/#');
    await there.endAsync();
    expect(node.errors).toEqual([]);
  });

  test('one with a session that lasts is not let in, and is when Redis is back', async () => {
    const node = await brokerNode(cluster);
    await node.network.cut();
    await expect(node.client(persistent)).rejects.toThrow();
    await node.network.restore();
    await until(
      () =>
        node.client(persistent).then(
          () => true,
          () => false,
        ),
      (isIn) => isIn,
    );
  });

  test('one that is connected and has a session that lasts hears on, and is not closed', async () => {
    const node = await brokerNode(cluster);
    const client = await node.client(persistent);
    const received = listen(client);
    await client.subscribeAsync('a', { qos: 1 });
    const other = await node.client({ clientId: 'other' });
    await node.network.cut();
    await until(
      () => node.emitter.joined(0),
      (isJoined) => !isJoined,
    );
    node.emitter.emit(messageOf('a', 'live', 1));
    await client.publishAsync('b', 'x', { qos: 2 });
    await until(
      () => texts(received),
      (all) => all.includes('live'),
    );
    await sleep(50);
    expect(node.errors).toEqual([]);
    expect([client.connected, other.connected]).toEqual([true, true]);
    await node.network.restore();
    expect(await node.emitter.joined(5000)).toBe(true);
    await until(
      () =>
        node.publisher.notify({ topic: 'a', payload: Buffer.from('again') }).then(
          () => true,
          () => false,
        ),
      (isSent) => isSent,
    );
    await until(
      () => texts(received),
      (all) => all.includes('again'),
    );
  });

  test('wills that could not be stored are when Redis is back', async () => {
    const node = await brokerNode(cluster);
    await node.network.cut();
    await node.client({ clientId: 'come', will });
    await node.network.restore();
    await until(
      () => cluster.keys(),
      (keys) => keys.includes(':{mqtt}:wills'),
    );
  });
});

test('clean sessions that come and go leave nothing in Redis', async () => {
  const node = await brokerNode(cluster);
  for (let round = 0; round < 20; round++) {
    const client = await node.client({
      clientId: `rider-${round}`,
      will: { topic: 'a', payload: Buffer.from('x'), qos: 1, retain: false },
    });
    await client.subscribeAsync(`trips/${round}/#`, { qos: 1 });
    await client.publishAsync(`trips/${round}/x`, 'x', { qos: 2 });
    await client.endAsync();
  }
  await until(
    () => cluster.keys(),
    (keys) => keys.length === 0,
  );
});

test('a clean session asks Redis for nothing: what may be left of an earlier one is dropped behind its back', async () => {
  const node = await brokerNode(cluster);
  const asked: string[] = [];
  const monitor = await cluster.redis.monitor();
  cluster.atEnd(async () => monitor.disconnect());
  monitor.on('monitor', (_: string, [command, key = '']: string[]) => {
    const [prefix, part = '', name] = key.split(':');
    if (prefix === cluster.prefix && /^\{?mqtt\}?$/.test(part))
      asked.push(`${command?.toLowerCase()} ${name}`);
  });
  const client = await node.client({ clientId: 'clean' });
  const received = listen(client);
  await client.subscribeAsync('trips/t/#', { qos: 1 });
  await node.publisher.notify({ topic: 'trips/t/status', payload: Buffer.from('x') });
  await until(
    () => received.length,
    (length) => length === 1,
  );
  await client.publishAsync('a', 'x', { qos: 2 });
  await client.unsubscribeAsync('trips/t/#');
  await client.endAsync();
  await cluster.redis.get(`${cluster.prefix}:{mqtt}:end`);
  await until(
    () => asked,
    (commands) => commands.includes('get end'),
  );
  expect(asked.toSorted()).toEqual(['get end', 'unlink incoming', 'unlink queue']);
});
