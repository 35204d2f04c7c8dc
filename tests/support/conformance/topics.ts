import assert from 'node:assert/strict';
import { encode } from '../raw-mqtt.ts';
import type { Bench } from './bench.ts';
import { subscribePacket, unsubscribePacket } from './packets.ts';
import type { Statement } from './statement.ts';

const BAD_FILTERS = ['', 'a#', '#/a', 'a/#/b', 'a/b#', '##', 'a+', '+a', 'a/+b', 'a/b+/c', 'a/++', '#+'];

/** Of these topics, those whose messages a filter lets through. */
async function matched(bench: Bench, filter: string, topics: readonly string[]): Promise<string[]> {
  const peer = await bench.login();
  const fence = bench.anotherTopic();
  await peer.subscribe([fence, 1]);
  assert.deepEqual(await peer.subscribe([filter, 1]), [1]);
  for (const topic of topics) await peer.publish(topic, 'x', { qos: 1 });
  await peer.publish(fence, 'x', { qos: 1 });
  return (await peer.messagesUntil(fence)).map(({ topic }) => topic);
}

/** And of a session whose client is away. */
async function matchedInQueue(bench: Bench, filter: string, topics: readonly string[]): Promise<string[]> {
  const clientId = bench.clientId();
  const fence = bench.anotherTopic();
  const first = await bench.login({ clientId, clean: false });
  await first.subscribe([fence, 1], [filter, 1]);
  await first.disconnect();
  const writer = await bench.login();
  for (const topic of [...topics, fence]) await writer.publish(topic, 'x', { qos: 1 });
  return (await (await bench.login({ clientId, clean: false })).messagesUntil(fence)).map(
    ({ topic }) => topic,
  );
}

/** Chapter 4.7. */
export const topics: readonly Statement[] = [
  {
    id: '4.7.1-1',
    says: 'Wildcards stand in filters, not in topics',
    unseen: 'see 3.3.2-2',
  },
  {
    id: '4.7.1-2',
    says: '# is a whole level, and the last one; it matches the level above it too',
    async check(bench) {
      for (const filter of BAD_FILTERS) {
        const wrong = subscribePacket(1, [[filter, 0]]);
        assert.deepEqual(await bench.closesAfterLogin(wrong), [], filter);
        assert.deepEqual(await bench.closesAfterLogin(unsubscribePacket(1, filter)), [], filter);
      }
      if (bench.broker.name === 'platform') return;
      const { topic } = bench;
      const own = [topic, `${topic}/`, `${topic}/a`, `${topic}/a/b`];
      const others = [`${topic}x`, 'conformance'];
      for (const which of [matched, matchedInQueue])
        assert.deepEqual(await which(bench, `${topic}/#`, [...own, ...others]), own);
    },
  },
  {
    id: '4.7.1-3',
    says: '+ is a whole level, and matches one, an empty one too',
    on: 'relay',
    async check(bench) {
      const { topic } = bench;
      const own = [`${topic}/a/c`, `${topic}//c`];
      const others = [`${topic}/c`, `${topic}/a/b/c`, `${topic}/a/`];
      for (const which of [matched, matchedInQueue]) {
        assert.deepEqual(await which(bench, `${topic}/+/c`, [...own, ...others]), own);
        assert.deepEqual(await which(bench, `${topic}/+`, [`${topic}/`, `${topic}/a`, topic]), [
          `${topic}/`,
          `${topic}/a`,
        ]);
        const slashed = `/${topic.replaceAll('/', '')}`;
        assert.deepEqual(await which(bench, '/+', [slashed, topic]), [slashed]);
      }
    },
  },
  {
    id: '4.7.2-1',
    says: 'A filter that begins with a wildcard does not match a topic that begins with $',
    on: 'relay',
    async check(bench) {
      const dollar = `$${bench.topic.replaceAll('/', '')}/b`;
      for (const filter of ['#', '+/b', '+/#']) {
        const isOwn = (topic: string) => topic === dollar;
        assert.deepEqual((await matched(bench, filter, [dollar])).filter(isOwn), []);
        assert.deepEqual((await matchedInQueue(bench, filter, [dollar])).filter(isOwn), []);
      }
      const writer = await bench.login();
      await writer.publish(dollar, 'x', { qos: 1, retain: true });
      for (const filter of ['#', '+/b'])
        assert(!(await bench.retained(filter)).some(({ topic }) => topic === dollar), filter);
      const named = await bench.retained(dollar.replace(/b$/, '+'));
      assert.deepEqual(
        named.map(({ topic }) => topic),
        [dollar],
      );
    },
  },
  {
    id: '4.7.3-1',
    says: 'Topics and filters have at least one character',
    async check(bench) {
      for (const wrong of [
        encode.publish('', 'x', { qos: 1 }),
        subscribePacket(1, [['', 0]]),
        unsubscribePacket(1, ''),
      ])
        assert.deepEqual(await bench.closesAfterLogin(wrong), []);
    },
  },
  { id: '4.7.3-2', says: 'And no U+0000', unseen: 'see 1.5.3-2' },
  {
    id: '4.7.3-3',
    says: 'They are 65,535 bytes at most',
    unseen: 'the field for their length can say no more; a whole packet has 65,536 bytes at most',
  },
  {
    id: '4.7.3-4',
    says: 'They are compared as they are: case, spaces, and characters that look alike differ',
    on: 'relay',
    async check(bench) {
      const { topic } = bench;
      const filter = `${topic}/Ame\u0301lie`;
      const others = [`${topic}/Am\u00e9lie`, `${topic}/ame\u0301lie`, `${filter} `, `${filter}/`];
      for (const which of [matched, matchedInQueue])
        assert.deepEqual(await which(bench, filter, [...others, filter]), [filter]);
    },
  },
];
