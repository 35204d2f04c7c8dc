import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createControl } from '../../shared/connections/control.ts';
import type { ClusterEmitter } from '../../shared/emitter/cluster.ts';
import { collect, messageOf, TestCluster, textsOf, until } from '../support/cluster.ts';

let cluster: TestCluster;

beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.stop());

const numbered = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => String(from + index));

/** Everything that was emitted before it has arrived at this listener, since it comes in order. */
async function settle(from: ClusterEmitter, ...to: ClusterEmitter[]): Promise<void> {
  for (const emitter of to) {
    const topic = `mark/${Math.random()}`;
    const received = await collect(emitter, topic);
    // The announcement crosses, too
    await until(
      () => {
        from.emit(messageOf(topic, '', 1));
        return received.length;
      },
      (count) => count > 0,
    );
  }
}

/** Counts the publishes to each channel of this deployment, signs of life aside. */
async function watchChannels(): Promise<{ channel: string; bytes: Buffer }[]> {
  const published: { channel: string; bytes: Buffer }[] = [];
  const watcher = cluster.redis.duplicate();
  await watcher.psubscribe(`${cluster.prefix}*`);
  watcher.on('pmessageBuffer', (_: string, channel: Buffer, bytes: Buffer) => {
    if (!bytes.includes('"alive"')) published.push({ channel: channel.toString(), bytes });
  });
  stopLater.push(() => watcher.disconnect());
  return published;
}

const stopLater: (() => void)[] = [];
afterEach(() => {
  for (const stop of stopLater.splice(0)) stop();
});

describe('between nodes', () => {
  test('messages arrive once and in order, whatever they hold, and at home at once', async () => {
    const [here, one, two] = [await cluster.node(), await cluster.node(), await cluster.node()];
    const atHome = await collect(here.emitter, 'trips/t/location');
    const exact = await collect(one.emitter, 'trips/t/location');
    const wild = await collect(two.emitter, 'trips/+/location');
    await settle(here.emitter, one.emitter, two.emitter);
    const sent = [
      messageOf('trips/t/location', Buffer.from([0, 255, 128, 10])),
      messageOf('trips/t/location', ''),
      ...numbered(3000).map((text) => messageOf('trips/t/location', text)),
      { ...messageOf('trips/t/location', 'last', 2), retain: true },
    ];
    let handedOut = 0;
    for (const message of sent) here.emitter.emit(message, () => handedOut++);
    expect([atHome.length, handedOut]).toEqual([sent.length, sent.length]);
    for (const received of [exact, wild]) {
      await until(
        () => received.length,
        (length) => length >= sent.length,
      );
      await settle(here.emitter, one.emitter, two.emitter);
      expect(received).toEqual(sent);
    }
    expect([here.gaps, one.gaps, two.gaps]).toEqual([0, 0, 0]);
  });

  test('a message that two filters of a node match crosses once, and each listener has it once', async () => {
    const [here, there] = [await cluster.node(), await cluster.node()];
    const lists = [];
    for (const filter of ['a/b', 'a/+', 'a/#', '#']) lists.push(await collect(there.emitter, filter));
    here.emitter.emit(messageOf('a/b'));
    await settle(here.emitter, there.emitter);
    expect(lists.map((list) => list.filter(({ topic }) => topic === 'a/b').length)).toEqual([1, 1, 1, 1]);
  });

  test('what nobody elsewhere wants does not cross; the messages of one turn cross together', async () => {
    const [here, there] = [await cluster.node(), await cluster.node()];
    await collect(here.emitter, 'trips/a/location');
    const received = await collect(there.emitter, 'trips/b/location');
    await settle(here.emitter, there.emitter);
    const published = await watchChannels();
    for (const text of numbered(100)) {
      here.emitter.emit(messageOf('trips/a/location', text));
      await sleep(1);
    }
    expect(published).toEqual([]);
    for (const text of numbered(100)) here.emitter.emit(messageOf('trips/b/location', text));
    await until(
      () => received.length,
      (length) => length === 100,
    );
    expect(published.map(({ channel }) => channel)).toEqual([
      `${cluster.prefix}:emitter:node:${there.emitter.nodeId}`,
    ]);
  });

  test('what has no listener any more does not cross any more', async () => {
    const [here, there] = [await cluster.node(), await cluster.node()];
    const listener = (_: unknown, done: () => void) => done();
    await new Promise<void>((resolve) => void there.emitter.on('a', listener, resolve));
    await new Promise<void>((resolve) => void there.emitter.removeListener('a', listener, resolve));
    await settle(here.emitter, there.emitter);
    const published = await watchChannels();
    here.emitter.emit(messageOf('a'));
    await sleep(50);
    expect(published).toEqual([]);
  });

  test('many SUBSCRIBEs of one turn are one announcement, and no subscription of Redis', async () => {
    const [here, there] = [await cluster.node(), await cluster.node()];
    await settle(here.emitter, there.emitter);
    const published = await watchChannels();
    const lists = await Promise.all(
      numbered(500).map((trip) =>
        collect(there.emitter, `trips/${trip}/${Number(trip) % 2 ? '#' : 'status'}`),
      ),
    );
    expect(published.map(({ channel }) => channel)).toEqual([`${cluster.prefix}:emitter:all`]);
    expect(await cluster.redis.pubsub('CHANNELS', `${cluster.prefix}*`)).toHaveLength(3);
    for (const trip of numbered(500)) here.emitter.emit(messageOf(`trips/${trip}/status`, trip));
    await until(
      () => lists.flat().length,
      (count) => count === 500,
    );
    expect(lists.map((list) => textsOf(list).join())).toEqual(numbered(500));
  });

  test('as soon as a listener is announced it misses nothing', async () => {
    const [here, there] = [await cluster.node(), await cluster.node()];
    for (let round = 0; round < 50; round++) {
      const received = await collect(there.emitter, `round/${round}`);
      await settle(there.emitter, here.emitter);
      here.emitter.emit(messageOf(`round/${round}`, 'first'));
      await until(
        () => received.length,
        (length) => length === 1,
      );
    }
  });

  test.each([
    ['+/b', ['a/b', '/b', '$x/b'], ['a/b/c', 'b', 'a']],
    ['a/#', ['a', 'a/b', 'a//c', 'a/'], ['b', '/a']],
    ['$SYS/+/new/clients', ['$SYS/broker/new/clients'], ['$SYS/new/clients']],
    ['#', ['a', '/', '$SYS/x', '$fleetcast/x'], []],
  ])('the filter %s matches elsewhere what it matches at home', async (filter, matching, others) => {
    const [here, there] = [await cluster.node(), await cluster.node()];
    const lists = [await collect(here.emitter, filter), await collect(there.emitter, filter)];
    await settle(here.emitter, there.emitter);
    for (const topic of [...matching, ...others]) here.emitter.emit(messageOf(topic, 'tried'));
    await settle(here.emitter, there.emitter);
    for (const list of lists) {
      const tried = list.filter(({ payload }) => payload.toString() === 'tried');
      expect(tried.map(({ topic }) => topic)).toEqual(matching);
    }
  });

  test('connections are closed and tokens revoked in every process', async () => {
    const [here, there] = [await cluster.node(), await cluster.node()];
    const closed: string[] = [];
    createControl(there.emitter).onCloseConnection((id) => closed.push(id));
    await settle(there.emitter, here.emitter);
    createControl(here.emitter).closeConnection('one');
    await until(
      () => closed.join(),
      (ids) => ids === 'one',
    );
  });
});

describe('a node', () => {
  test('that joins gets what it wants from those that are there, and they from it', async () => {
    const here = await cluster.node();
    const atHome = await collect(here.emitter, 'a');
    const late = await cluster.node();
    const received = await collect(late.emitter, 'b');
    await settle(here.emitter, late.emitter);
    late.emitter.emit(messageOf('a', 'from the new one'));
    here.emitter.emit(messageOf('b', 'to the new one'));
    await until(
      () => [...textsOf(atHome), ...textsOf(received)],
      (texts) => texts.length === 2,
    );
  });

  test('that emits before it has joined loses nothing', async () => {
    const here = await cluster.node();
    const received = await collect(here.emitter, 'a');
    const early = await cluster.node({}, { waits: false });
    for (const text of numbered(10)) early.emitter.emit(messageOf('a', text));
    await until(
      () => textsOf(received),
      (texts) => texts.length === 10,
    );
    expect(textsOf(received)).toEqual(numbered(10));
  });

  test('that goes, or is killed, is sent nothing any more', async () => {
    const here = await cluster.node();
    const [leaving, dying] = [await cluster.node(), await cluster.node()];
    for (const { emitter } of [leaving, dying]) {
      await collect(emitter, 'a');
      await settle(here.emitter, emitter);
    }
    const published = await watchChannels();
    const sentTo = async () => {
      published.splice(0);
      here.emitter.emit(messageOf('a'));
      await sleep(50);
      return published.filter(({ channel }) => channel.includes(':node:')).length;
    };
    expect(await sentTo()).toBe(2);
    await new Promise<void>((resolve) => void leaving.emitter.close(resolve));
    await until(sentTo, (count) => count === 1);
    dying.die();
    await until(sentTo, (count) => count === 0);
  });

  test('calls back when it is closed, and takes nothing more', async () => {
    const here = await cluster.node();
    await new Promise<void>((resolve) => void here.emitter.close(resolve));
    const error = await new Promise((resolve) => void here.emitter.emit(messageOf('a'), resolve));
    expect(error).toBeInstanceOf(Error);
  });
});

describe('while Redis is away from a node', () => {
  test('its own listeners have what it emits; then the others have what waited, and everybody what follows', async () => {
    const [here, there] = [await cluster.node(), await cluster.node()];
    const atHome = await collect(here.emitter, 'a');
    const elsewhere = await collect(there.emitter, 'a');
    const back = await collect(here.emitter, 'b');
    await settle(here.emitter, there.emitter);
    await here.network.cut();
    await until(
      () => here.emitter.joined(0),
      (isJoined) => !isJoined,
    );
    for (const text of numbered(5)) here.emitter.emit(messageOf('a', text, 1));
    expect(textsOf(atHome)).toEqual(numbered(5));
    // A SUBSCRIBE is answered at once
    const meanwhile = await collect(here.emitter, 'c');
    there.emitter.emit(messageOf('b', 'lost'));
    await sleep(1500);
    await here.network.restore();
    await until(
      () => textsOf(elsewhere),
      (texts) => texts.length === 5,
    );
    await until(
      () => here.gaps,
      (gaps) => gaps > 0,
    );
    expect(textsOf(elsewhere)).toEqual(numbered(5));
    await settle(there.emitter, here.emitter);
    there.emitter.emit(messageOf('b', 'live'));
    there.emitter.emit(messageOf('c', 'live'));
    await until(
      () => textsOf([...back, ...meanwhile]).filter((text) => text === 'live'),
      (texts) => texts.length === 2,
    );
  });

  test('frames that were lost on the way are noticed at the other end, even when none follows', async () => {
    const [here, there] = [await cluster.node(), await cluster.node()];
    const received = await collect(there.emitter, 'a');
    await settle(here.emitter, there.emitter);
    expect(there.gaps).toBe(0);
    here.emitter.emit(messageOf('a', 'lost', 1));
    // It has been written to its connection, and is not in Redis yet
    await new Promise((resolve) => setImmediate(resolve));
    await here.network.cut();
    await here.network.restore();
    await until(
      () => there.gaps,
      (gaps) => gaps > 0,
    );
    here.emitter.emit(messageOf('a', 'live', 1));
    await until(
      () => textsOf(received),
      (texts) => texts.includes('live'),
    );
    expect(textsOf(received)).toEqual(['live']);
  });

  test('what waits is bounded: streams go first, what is lost is counted and told at the other end', async () => {
    const here = await cluster.node({ maxWaitingBytes: 20_000 });
    const there = await cluster.node();
    const received = await collect(there.emitter, '+');
    await settle(here.emitter, there.emitter);
    await here.network.cut();
    await until(
      () => here.emitter.joined(0),
      (isJoined) => !isJoined,
    );
    for (const text of numbered(100)) here.emitter.emit(messageOf('position', text.padStart(100)));
    for (const text of numbered(10)) here.emitter.emit(messageOf('status', text.padStart(1000), 1));
    const streamsDropped = here.dropped;
    expect(streamsDropped).toBeGreaterThan(0);
    for (const text of numbered(30, 10)) here.emitter.emit(messageOf('status', text.padStart(1000), 1));
    const gaps = there.gaps;
    await here.network.restore();
    const statuses = () => received.filter(({ topic }) => topic === 'status');
    await until(
      () => textsOf(statuses()).at(-1)?.trim(),
      (text) => text === '39',
    );
    await settle(here.emitter, there.emitter);
    expect(statuses().length).toBeLessThan(20);
    expect(received.length).toBe(140 - here.dropped);
    await until(
      () => there.gaps,
      (count) => count > gaps,
    );
  });

  test('a node that was taken for dead is told so by a gap, and served again', async () => {
    const [here, there] = [await cluster.node(), await cluster.node()];
    const received = await collect(there.emitter, 'a');
    await settle(here.emitter, there.emitter);
    await there.network.cut();
    await sleep(1500);
    here.emitter.emit(messageOf('a', 'lost', 1));
    await there.network.restore();
    await until(
      () => there.gaps,
      (gaps) => gaps > 0,
    );
    here.emitter.emit(messageOf('a', 'live', 1));
    await until(
      () => textsOf(received),
      (texts) => texts.includes('live'),
    );
  });

  test('a node that starts works for itself, and joins when Redis comes', async () => {
    const there = await cluster.node();
    const received = await collect(there.emitter, 'a');
    const { network, emitter } = await cluster.node({}, { waits: false });
    await network.cut();
    const atHome = await collect(emitter, 'a');
    emitter.emit(messageOf('a', 'early', 1));
    expect(textsOf(atHome)).toEqual(['early']);
    await network.restore();
    expect(await emitter.joined(5000)).toBe(true);
    await until(
      () => textsOf(received),
      (texts) => texts.includes('early'),
    );
  });
});
