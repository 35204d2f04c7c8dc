import assert from 'node:assert/strict';
import { encode, TYPE } from '../raw-mqtt.ts';
import type { Bench } from './bench.ts';
import { field, messageOf, packet, subscribePacket, UNSUBACK, unsubscribePacket } from './packets.ts';
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

/** Chapters 3.8 to 3.12, and 4.7. */
export const subscribe: readonly Statement[] = [
  {
    id: '3.8.1-1',
    says: 'The flags of SUBSCRIBE are 0010',
    async check(bench) {
      const wrong = subscribePacket(1, [[bench.topic, 0]]);
      wrong[0] = 0x80;
      assert.deepEqual(await bench.closesAfterLogin(wrong), []);
    },
  },
  { id: '3.8.3-1', says: 'Filters are UTF-8', unseen: 'see 1.5.3-1' },
  {
    id: '3.8.3-2',
    says: 'Filters with wildcards are granted, or refused as such',
    otherwise: 'The platform refuses those that reach further than their user may see.',
    async check(bench) {
      const peer = await bench.login();
      const hash = bench.topic.replace(/[^/]+$/, '#');
      const codes = await peer.subscribe([bench.wildcard, 1], [hash, 2], ['#', 0]);
      assert.deepEqual(codes, bench.broker.name === 'relay' ? [1, 2, 0] : [1, 0x80, 0x80]);
    },
  },
  {
    id: '3.8.3-3',
    says: 'A SUBSCRIBE without a filter ends the connection',
    async check(bench) {
      for (const wrong of [
        subscribePacket(1, []),
        packet(0x82),
        packet(0x82, Buffer.from([0, 1]), field('a')),
      ])
        assert.deepEqual(await bench.closesAfterLogin(wrong), []);
    },
  },
  {
    id: '3-8.3-4',
    says: 'A QoS above 2 or a reserved bit in a SUBSCRIBE ends the connection',
    async check(bench) {
      for (const options of [3, 4, 0x80, 0x40])
        assert.deepEqual(await bench.closesAfterLogin(subscribePacket(1, [[bench.topic, options]])), []);
    },
  },
  {
    id: '3.8.4-1',
    says: 'SUBSCRIBE is answered with SUBACK',
    check: async (bench) => assert.deepEqual(await (await bench.login()).subscribe([bench.topic, 1]), [1]),
  },
  {
    id: '3.8.4-2',
    says: 'SUBACK has the packet identifier of its SUBSCRIBE',
    async check(bench) {
      const { raw } = await bench.login();
      raw.send(subscribePacket(0x1234, [[bench.topic, 0]]), subscribePacket(0x4321, [[bench.topic, 1]]));
      const ids = [await raw.next(TYPE.SUBACK), await raw.next(TYPE.SUBACK)].map(({ body }) =>
        body.readUInt16BE(0),
      );
      assert.deepEqual(new Set(ids), new Set([0x1234, 0x4321]));
    },
  },
  {
    id: '3.8.4-3',
    says: 'The same filter once more takes the place of the one before; what is retained comes again',
    async check(bench) {
      const writer = await bench.login();
      await writer.publish(bench.topic, bench.payloads[0], { qos: 1, retain: true });
      const reader = await bench.login();
      for (const qos of [0, 1, 1]) {
        assert.deepEqual(await reader.subscribe([bench.topic, qos]), [qos]);
        const message = await reader.message();
        assert.deepEqual([message.retain, message.qos], [true, qos]);
      }
      for (const payload of [bench.payloads[1], bench.payloads[0]]) {
        await writer.publish(bench.topic, payload, { qos: 1 });
        const message = await reader.message();
        assert(message.payload.includes(payload.slice(1, -1)));
        assert.deepEqual([message.retain, message.qos], [false, 1]);
      }
    },
  },
  {
    id: '3.8.4-4',
    says: 'Many filters in a SUBSCRIBE are as many SUBSCRIBEs, with one answer',
    async check(bench) {
      const peer = await bench.login();
      const topics = [bench.topic, bench.anotherTopic(), bench.anotherTopic()] as const;
      assert.deepEqual(await peer.subscribe(...topics.map((topic, qos) => [topic, qos] as const)), [0, 1, 2]);
      for (const [qos, topic] of topics.entries()) {
        await peer.publish(topic, bench.payloads[0], { qos: 2 });
        assert.equal((await peer.message()).qos, qos);
      }
    },
  },
  {
    id: '3.8.4-5',
    says: 'SUBACK has a return code for each filter',
    otherwise: 'Aedes answers a filter that stands twice in one SUBSCRIBE once, with the later QoS.',
    async check(bench) {
      const { raw } = await bench.login();
      const another = bench.anotherTopic();
      raw.send(
        subscribePacket(1, [
          [bench.topic, 0],
          [another, 1],
          [bench.topic, 2],
        ]),
      );
      assert.deepEqual([...(await raw.next(TYPE.SUBACK)).body.subarray(2)], [2, 1]);
    },
  },
  {
    id: '3.8.4-6',
    says: 'A message comes at the lower of its QoS and that of the subscription',
    async check(bench) {
      // On the platform a status goes out at QoS 2, whatever it was published at
      const published = bench.broker.name === 'relay' ? ([0, 1, 2] as const) : ([2] as const);
      const writer = await bench.login();
      for (const filter of [bench.topic, bench.wildcard])
        for (const granted of [0, 1, 2]) {
          const reader = await bench.login();
          await reader.subscribe([filter, granted]);
          for (const qos of published) {
            const payload = bench.payloads[(granted % 2) as 0 | 1];
            await writer.publish(bench.topic, payload, { qos });
            let message = await reader.message(bench.topic);
            // What is retained comes at that as well, and first
            while (message.retain) {
              assert.equal(message.qos, granted);
              message = await reader.message(bench.topic);
            }
            assert.equal(message.qos, Math.min(qos, granted), `${filter} at ${granted}, ${qos}`);
          }
          await reader.disconnect();
        }
    },
  },
  {
    id: '3.9.3-1',
    says: 'The return codes are in the order of the filters',
    async check(bench) {
      const refused = bench.broker.name === 'relay' ? 'nosubscribe' : '#';
      const codes = await (await bench.login()).subscribe(
        [bench.topic, 2],
        [refused, 1],
        [bench.anotherTopic(), 0],
        [bench.anotherTopic(), 1],
      );
      assert.deepEqual(codes, [2, 0x80, 0, 1]);
    },
  },
  {
    id: '3.9.3-2',
    says: 'There are no return codes but 0, 1, 2 and 0x80',
    async check(bench) {
      const peer = await bench.login();
      const filters = ['#', '+/+', '$SYS/#', 'a', bench.topic, '/', '$share/g/a', 'nosubscribe'];
      const codes = await peer.subscribe(...filters.map((filter, index) => [filter, index % 3] as const));
      assert(
        codes.every((code) => [0, 1, 2, 0x80].includes(code)),
        `${codes}`,
      );
    },
  },
  {
    id: '3.10.1-1',
    says: 'The flags of UNSUBSCRIBE are 0010',
    async check(bench) {
      const wrong = unsubscribePacket(1, bench.topic);
      wrong[0] = 0xa0;
      assert.deepEqual(await bench.closesAfterLogin(wrong), []);
    },
  },
  { id: '3.10.3-1', says: 'Its filters are UTF-8', unseen: 'see 1.5.3-1' },
  {
    id: '3.10.3-2',
    says: 'An UNSUBSCRIBE without a filter ends the connection',
    async check(bench) {
      for (const wrong of [unsubscribePacket(1), packet(0xa2)])
        assert.deepEqual(await bench.closesAfterLogin(wrong), []);
    },
  },
  {
    id: '3.10.4-1',
    says: 'A filter is taken away that is the same, character by character',
    async check(bench) {
      const [reader, writer] = [await bench.login(), await bench.login()];
      await reader.subscribe([bench.topic, 1]);
      await reader.unsubscribe(
        bench.topic.toUpperCase(),
        bench.topic.replace(/[^/]+$/, '+'),
        `${bench.topic}/`,
      );
      await writer.publish(bench.topic, bench.payloads[0], { qos: 1 });
      await reader.message();
    },
  },
  {
    id: '3.10.4-2',
    says: 'After it nothing more is added for the client',
    async check(bench) {
      const [reader, writer] = [await bench.login(), await bench.login()];
      const fence = bench.anotherTopic();
      await reader.subscribe([bench.topic, 1], [fence, 1]);
      await reader.unsubscribe(bench.topic);
      await writer.publish(bench.topic, bench.payloads[0], { qos: 1 });
      await writer.publish(fence, bench.payloads[0], { qos: 1 });
      assert.deepEqual(await reader.messagesUntil(fence), []);
    },
  },
  {
    id: '3.10.4-3',
    says: 'What is on its way at QoS 1 or 2 is brought to its end',
    async check(bench) {
      const [reader, writer] = [await bench.login(), await bench.login()];
      await reader.subscribe([bench.topic, 2]);
      await writer.publish(bench.topic, bench.payloads[0], { qos: 2 });
      const { id } = messageOf(await reader.raw.next(TYPE.PUBLISH));
      await reader.unsubscribe(bench.topic);
      reader.raw.send(encode.acknowledge(TYPE.PUBREC, id));
      await reader.acknowledged(TYPE.PUBREL, id);
    },
  },
  {
    id: '3.10.4-4',
    says: 'UNSUBSCRIBE is answered with UNSUBACK of the same packet identifier',
    async check(bench) {
      const { raw } = await bench.login();
      raw.send(unsubscribePacket(0xabcd, bench.topic));
      const { body } = await raw.next(UNSUBACK);
      assert.deepEqual([body.readUInt16BE(0), body.length], [0xabcd, 2]);
    },
  },
  {
    id: '3.10.4-5',
    says: 'Also where there was no such subscription',
    check: async (bench) => (await bench.login()).unsubscribe(bench.topic),
  },
  {
    id: '3.10.4-6',
    says: 'Many filters in an UNSUBSCRIBE are as many UNSUBSCRIBEs, with one answer',
    async check(bench) {
      const peer = await bench.login();
      const [one, two, fence] = [bench.topic, bench.anotherTopic(), bench.anotherTopic()];
      await peer.subscribe([one, 1], [two, 1], [fence, 1]);
      await peer.unsubscribe(one, two);
      for (const topic of [one, two, fence]) await peer.publish(topic, bench.payloads[0], { qos: 1 });
      assert.deepEqual(await peer.messagesUntil(fence), []);
    },
  },
  {
    id: '3.12.4-1',
    says: 'PINGREQ is answered with PINGRESP',
    check: async (bench) => (await bench.login()).ping(),
  },
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
