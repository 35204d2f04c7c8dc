import assert from 'node:assert/strict';
import { encode, TYPE } from '../raw-mqtt.ts';
import { messageOf, packet, UNSUBACK, unsubscribePacket } from './packets.ts';
import type { Statement } from './statement.ts';

/** Chapters 3.10 to 3.12. */
export const unsubscribe: readonly Statement[] = [
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
];
