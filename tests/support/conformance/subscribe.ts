import assert from 'node:assert/strict';
import { TYPE } from '../raw-mqtt.ts';
import { field, packet, subscribePacket } from './packets.ts';
import type { Statement } from './statement.ts';

/** Chapters 3.8 and 3.9. */
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
];
