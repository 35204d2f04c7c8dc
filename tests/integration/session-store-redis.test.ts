import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { topicFor } from '../../shared/topics.ts';
import { messageOf, TestCluster, until } from '../support/cluster.ts';
import { type StoreNode, storeNode } from '../support/cluster-broker.ts';

let cluster: TestCluster;

beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.stop());

const phone = { id: 'rider-1/phone', clean: false };
const errors = 'riders/rider-1/errors';

const subscribe = (node: StoreNode, client: { id: string }, ...filters: string[]) =>
  node.store.addSubscriptions(
    client,
    filters.map((topic) => ({ topic, qos: 1 })),
  );

async function queueOf(node: StoreNode, client: { id: string } = phone): Promise<string[]> {
  const found: string[] = [];
  for await (const packet of node.store.outgoingStream(client))
    found.push(String((packet as { payload?: Buffer }).payload));
  return found;
}

const sessionsOf = async (node: StoreNode, topic: string) =>
  (await node.store.subscriptionsByTopic(topic)).map(({ clientId }) => clientId).toSorted();

async function retainedOf(node: StoreNode, ...filters: string[]): Promise<string[]> {
  const store = node.store as unknown as {
    createRetainedStreamCombi(filters: string[]): AsyncIterable<{ topic: string; retain: boolean }>;
  };
  const found: string[] = [];
  for await (const { topic, retain } of store.createRetainedStreamCombi(filters)) {
    if (!retain) throw new Error('not marked as retained');
    found.push(topic);
  }
  return found.toSorted();
}

/** What this deployment asks of Redis; others have theirs on the same server. */
async function commandsOf({ redis, prefix }: TestCluster) {
  const monitor = await redis.monitor();
  const names: string[] = [];
  let markers = 0;
  monitor.on('monitor', (_time, [name = '', key = '']: string[]) => {
    if (key.startsWith(prefix)) names.push(key.includes(':marker') ? key : name.toLowerCase());
  });
  return {
    /** Since it was asked the last time. */
    async seen(): Promise<string[]> {
      const marker = `${prefix}:marker-${markers++}`;
      await redis.exists(marker);
      await until(
        () => names.includes(marker),
        (isSeen) => isSeen,
      );
      return names.splice(0, names.indexOf(marker) + 1);
    },
    stop: () => monitor.disconnect(),
  };
}

describe('the sessions of the cluster', () => {
  test('are known in every process, whichever broker they are at, and whether it has a broker', async () => {
    const early = await storeNode(cluster);
    const broker = await storeNode(cluster);
    await subscribe(broker, phone, 'trips/+/status', errors);
    await broker.store.addSubscriptions(phone, [{ topic: 'trips/x/location', qos: 0 }]);
    const late = await storeNode(cluster);
    for (const node of [early, broker, late]) {
      await until(
        () => sessionsOf(node, 'trips/t/status'),
        (ids) => ids.length === 1,
      );
      expect(await sessionsOf(node, errors)).toEqual([phone.id]);
      expect(await sessionsOf(node, 'trips/x/location')).toEqual([]);
    }
    await early.publisher.notify({ topic: errors, payload: Buffer.from('from one without a broker') });
    expect(await queueOf(broker)).toEqual(['from one without a broker']);
    await late.store.removeSubscriptions(phone, [errors]);
    for (const node of [early, broker, late])
      await until(
        () => sessionsOf(node, errors),
        (ids) => ids.length === 0,
      );
  });

  test('are read anew after a gap: what was announced meanwhile is not missed for ever', async () => {
    const [relay, broker] = [await storeNode(cluster), await storeNode(cluster)];
    await subscribe(broker, phone, errors);
    await until(
      () => sessionsOf(relay, errors),
      (ids) => ids.length === 1,
    );
    await relay.network.cut();
    await subscribe(broker, { id: 'other/phone' }, errors);
    await broker.store.removeSubscriptions(phone, [errors]);
    await sleep(1200);
    expect(await sessionsOf(relay, errors)).toEqual([phone.id]);
    await relay.network.restore();
    await until(
      () => sessionsOf(relay, errors),
      (ids) => ids.join() === 'other/phone',
    );
  });

  test('that change while they are read come out right', async () => {
    const broker = await storeNode(cluster);
    const ids = Array.from({ length: 200 }, (_, index) => `rider-${index}/phone`);
    await Promise.all(ids.map((id) => subscribe(broker, { id }, errors)));
    const starting = await storeNode(cluster, {}, { waits: false });
    const changing = ids.map(async (id, index) => {
      await sleep(index / 4);
      if (index % 2) await broker.store.removeSubscriptions({ id }, [errors]);
      else await subscribe(broker, { id: `${id}-2` }, errors);
    });
    expect(await starting.store.loaded(5000)).toBe(true);
    await Promise.all(changing);
    const expected = await sessionsOf(broker, errors);
    expect(expected).toHaveLength(200);
    await until(
      () => sessionsOf(starting, errors),
      (found) => found.join() === expected.join(),
    );
  });

  test('are not guessed at: while they are not known yet, nothing is published past them', async () => {
    const node = await storeNode(cluster, {}, { waits: false });
    await node.network.cut();
    await expect(node.publisher.notify({ topic: errors, payload: Buffer.from('x') })).rejects.toThrow('away');
  });

  test('store each filter of a SUBSCRIBE once, however often Aedes asks for all of them', async () => {
    const node = await storeNode(cluster);
    const filters = Array.from({ length: 200 }, (_, index) => ({ topic: `trips/t${index}/status`, qos: 1 }));
    let announced = 0;
    node.emitter.on('$SYS/sub/add', (_, done) => {
      announced++;
      done();
    });
    await Promise.all(
      filters.map((_, index) => node.store.addSubscriptions(phone, filters.slice(0, index + 1))),
    );
    expect(announced).toBe(200);
    const sessions = node.store as unknown as { subscriptionsByClient(client: object): Promise<object[]> };
    expect(await sessions.subscriptionsByClient(phone)).toHaveLength(200);
  });
});

describe('what waits for a session', () => {
  test('is in order at whichever broker it is taken up', async () => {
    const [one, two] = [await storeNode(cluster), await storeNode(cluster)];
    await subscribe(one, phone, errors);
    await until(
      () => sessionsOf(two, errors),
      (ids) => ids.length === 1,
    );
    for (let index = 0; index < 130; index++)
      await (index % 2 ? one : two).publisher.notify({ topic: errors, payload: Buffer.from(String(index)) });
    const expected = Array.from({ length: 130 }, (_, index) => String(index));
    expect(await queueOf(one)).toEqual(expected);
    expect(await queueOf(two)).toEqual(expected);
  });

  test('is bounded in number: the oldest make room for the newest, and it is told how many', async () => {
    const node = await storeNode(cluster, { maxQueued: 5 });
    const tablet = { id: 'rider-1/tablet' };
    await subscribe(node, phone, errors);
    for (let index = 0; index < 3; index++)
      await node.publisher.notify({ topic: errors, payload: Buffer.from(String(index)) });
    await subscribe(node, tablet, errors);
    for (let index = 3; index < 8; index++)
      await node.publisher.notify({ topic: errors, payload: Buffer.from(String(index)) });
    const newest = ['3', '4', '5', '6', '7'];
    expect([await queueOf(node), await queueOf(node, tablet)]).toEqual([newest, newest]);
    // Of the phone alone
    expect(node.queuesFull).toBe(3);
  });

  test('is read as it stood when the reading began', async () => {
    const node = await storeNode(cluster);
    await subscribe(node, phone, errors);
    const notify = (text: string) => node.publisher.notify({ topic: errors, payload: Buffer.from(text) });
    for (let index = 0; index < 60; index++) await notify(String(index));
    const found: string[] = [];
    for await (const packet of node.store.outgoingStream(phone)) {
      if (found.length === 0) await notify('later');
      found.push(String((packet as { payload?: Buffer }).payload));
    }
    expect(found).toHaveLength(60);
    expect(await queueOf(node)).toHaveLength(61);
  });

  test('one message under the ids of two sessions is two messages', async () => {
    const node = await storeNode(cluster);
    const tablet = { id: 'rider-1/tablet' };
    await subscribe(node, phone, errors);
    await subscribe(node, tablet, errors);
    await node.publisher.notify({ topic: errors, payload: Buffer.from('both') });
    const [packet] = await read(node, phone);
    await node.store.outgoingUpdate(phone, { ...packet, cmd: 'publish', messageId: 7 });
    expect((await read(node, phone)).map(({ messageId }) => messageId)).toEqual([7]);
    expect((await read(node, tablet)).map(({ messageId }) => messageId)).toEqual([undefined]);
    await node.store.outgoingClearMessageId(phone, { messageId: 7 });
    expect(await queueOf(node, phone)).toEqual([]);
    expect(await queueOf(node, tablet)).toEqual(['both']);
  });

  test('two messages with the same id are acknowledged one after the other', async () => {
    const node = await storeNode(cluster);
    await subscribe(node, phone, errors);
    for (const text of ['a', 'b', 'c'])
      await node.publisher.notify({ topic: errors, payload: Buffer.from(text) });
    for (const packet of await read(node, phone))
      await node.store.outgoingUpdate(phone, { ...packet, cmd: 'publish', messageId: 7 });
    for (const left of [['b', 'c'], ['c'], []]) {
      await node.store.outgoingClearMessageId(phone, { messageId: 7 });
      expect(await queueOf(node)).toEqual(left);
    }
  });

  test('is dropped when it has waited for too long, and leaves no key behind', async () => {
    const node = await storeNode(cluster, { messageMaxAgeMs: 400 });
    await subscribe(node, phone, errors);
    await node.publisher.notify({ topic: errors, payload: Buffer.from('old') });
    await node.store.incomingStorePacket(phone, { messageId: 3 });
    await sleep(250);
    await node.publisher.notify({ topic: errors, payload: Buffer.from('new') });
    expect(await queueOf(node)).toEqual(['old', 'new']);
    await sleep(250);
    expect(await queueOf(node)).toEqual(['new']);
    await until(
      () => cluster.keys(),
      (keys) => keys.join() === ':{mqtt}:client:rider-1%2Fphone,:{mqtt}:clients,:{mqtt}:seen',
    );
  });
});

async function read(node: StoreNode, client: { id: string }): Promise<{ messageId?: number }[]> {
  const packets: { messageId?: number }[] = [];
  for await (const packet of node.store.outgoingStream(client))
    packets.push(packet as { messageId?: number });
  return packets;
}

describe('a session', () => {
  test('whose client stays away ends everywhere, with all its keys; one that is connected does not', async () => {
    const [broker, relay] = [
      await storeNode(cluster, { sessionMaxAgeMs: 800 }),
      await storeNode(cluster, { sessionMaxAgeMs: 800 }),
    ];
    const tablet = { id: 'rider-1/tablet', clean: false };
    // As Aedes does, with what it knows of who is connected
    const store = broker.store as unknown as { setup(broker: object): Promise<void> };
    await store.setup({ id: 'broker-1', clients: { [tablet.id]: tablet } });
    await subscribe(broker, phone, errors);
    await subscribe(broker, tablet, errors);
    await broker.publisher.notify({ topic: errors, payload: Buffer.from('x') });
    await broker.store.incomingStorePacket(phone, { messageId: 3 });
    for (const node of [broker, relay])
      await until(
        () => sessionsOf(node, errors),
        (ids) => ids.join() === tablet.id,
      );
    const left = (await cluster.keys()).join();
    expect(left).not.toContain('phone');
    expect(left).toContain('tablet');
    await sleep(1500);
    expect(await sessionsOf(relay, errors)).toEqual([tablet.id]);
  });

  test('ends with a clean CONNECT, at any broker, and leaves no key behind', async () => {
    const [one, two] = [await storeNode(cluster), await storeNode(cluster)];
    await subscribe(one, phone, errors);
    await until(
      () => sessionsOf(two, errors),
      (ids) => ids.length === 1,
    );
    await two.publisher.notify({ topic: errors, payload: Buffer.from('x') });
    const store = two.store as unknown as { cleanSubscriptions(client: object): Promise<void> };
    await store.cleanSubscriptions({ ...phone, clean: true });
    for (const node of [one, two])
      await until(
        () => sessionsOf(node, errors),
        (ids) => ids.length === 0,
      );
    expect(await cluster.keys()).toEqual([]);
  });

  test('that a clean CONNECT ended while Redis was away is ended when it is back', async () => {
    const node = await storeNode(cluster);
    await subscribe(node, phone, errors);
    await node.network.cut();
    const store = node.store as unknown as { cleanSubscriptions(client: object): Promise<void> };
    await store.cleanSubscriptions({ ...phone, clean: true });
    expect(await cluster.keys()).not.toEqual([]);
    await node.network.restore();
    await until(
      () => cluster.keys(),
      (keys) => keys.length === 0,
    );
  });
});

describe('retained messages', () => {
  const status = (id: string) => topicFor('driverStatus', id);
  const retain = (node: StoreNode, id: string, text: string) =>
    node.store.storeRetained({ ...messageOf(status(id), text, 1), retain: true });

  test('are found by every filter that matches them, and by no other', async () => {
    const [one, two] = [await storeNode(cluster), await storeNode(cluster)];
    for (const id of ['a', 'b', 'c']) await retain(one, id, 'ONLINE');
    await retain(one, 'c', '');
    const all = [status('a'), status('b')];
    for (const [filters, expected] of [
      [['drivers/a/status'], [status('a')]],
      [['drivers/a/#', 'drivers/a/status', 'drivers/a/+'], [status('a')]],
      [['drivers/+/status'], all],
      [['drivers/#', 'drivers/a/status'], all],
      [['+/a/status', 'drivers/b/status/#'], all],
      [['#'], all],
      [['drivers/+/location', 'drivers/a', 'drivers/a/status/x', 'trips/t/#', 'drivers/c/status'], []],
    ] as const)
      expect([filters, await retainedOf(two, ...filters)]).toEqual([filters, expected]);
  });

  test('are of one topic alone: another one would not be found again', async () => {
    const node = await storeNode(cluster);
    await expect(node.store.storeRetained(messageOf('trips/t/status', 'x'))).rejects.toThrow('not a topic');
  });

  test('50,000 of them are read without holding up Redis or the process; a rider asks for none of them', async () => {
    const node = await storeNode(cluster);
    const pipeline = cluster.redis.pipeline();
    await retain(node, 'driver-0', 'ONLINE');
    const value = await cluster.redis.hgetBuffer(`${cluster.prefix}:{mqtt}:retained`, status('driver-0'));
    if (value === null) throw new Error('nothing was stored');
    for (let driver = 1; driver < 50_000; driver++)
      pipeline.hset(`${cluster.prefix}:{mqtt}:retained`, status(`driver-${driver}`), value);
    await pipeline.exec();
    const commands = await commandsOf(cluster);
    let longest = 0;
    const startedAt = performance.now();
    let last = startedAt;
    const ticks = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    const found = await Promise.all(Array.from({ length: 5 }, () => retainedOf(node, 'drivers/+/status')));
    clearInterval(ticks);
    expect(found.map(({ length }) => length)).toEqual(Array(5).fill(50_000));
    // Read all at once, it would be most of the time; on a busy machine all of it takes longer
    expect(longest).toBeLessThan((performance.now() - startedAt) / 4);
    // Some 500 at a time
    expect((await commands.seen()).filter((name) => name === 'hscan').length).toBeGreaterThan(5 * 50);
    await retainedOf(node, 'trips/t/#', 'trips/t/status', 'drivers/me/#');
    expect(await commands.seen()).not.toContain('hscan');
    commands.stop();
  });

  test('are kept for Redis while it is away, and stored unless a newer one came from elsewhere', async () => {
    const [one, two] = [await storeNode(cluster), await storeNode(cluster)];
    await one.network.cut();
    await retain(one, 'a', 'old');
    await retain(one, 'b', 'first');
    await retain(one, 'b', 'last');
    expect(await retainedOf(one, 'drivers/+/status')).toEqual([]);
    await sleep(5);
    await retain(two, 'a', 'new');
    await one.network.restore();
    const statusOf = async (id: string) =>
      String(await cluster.redis.hget(`${cluster.prefix}:{mqtt}:retained`, status(id)));
    await until(
      () => statusOf('b'),
      (value) => value.includes('last'),
    );
    expect(await statusOf('a')).toContain('new');
  });
});

test('wills of a broker that has died are found by the others, and taken by the one that sends them', async () => {
  type Wills = {
    setup(broker: object): Promise<void>;
    putWill(client: object, will: object): Promise<void>;
    delWill(client: object): Promise<unknown>;
    streamWill(brokers: object): AsyncIterable<{ topic: string; clientId: string; brokerId: string }>;
  };
  const nodes = [await storeNode(cluster), await storeNode(cluster)];
  const [dead, alive] = nodes.map(({ store }) => store as unknown as Wills) as [Wills, Wills];
  await dead.setup({ id: 'dead', clients: {} });
  await alive.setup({ id: 'alive', clients: {} });
  const will = () => ({ topic: 'drivers/d/status', payload: Buffer.from('OFFLINE'), qos: 1, retain: false });
  await dead.putWill({ id: 'd/phone' }, will());
  await dead.putWill({ id: 'e/phone' }, will());
  await alive.putWill({ id: 'f/phone' }, will());
  await dead.delWill({ id: 'e/phone' });
  const found = async (brokers: object) => {
    const wills: object[] = [];
    for await (const one of alive.streamWill(brokers)) wills.push(one);
    return wills;
  };
  expect(await found({ dead: Date.now() })).toEqual([]);
  expect(await found({})).toEqual([{ ...will(), clientId: 'd/phone', brokerId: 'dead' }]);
  await alive.delWill({ id: 'd/phone', brokerId: 'dead' });
  await alive.delWill({ id: 'f/phone' });
  expect(await found({})).toEqual([]);
  expect(await cluster.keys()).toEqual([]);
});
