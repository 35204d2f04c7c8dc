import assert from 'node:assert/strict';
import { encode, TYPE } from '../raw-mqtt.ts';
import type { Statement } from './statement.ts';

/** Chapters 4.3 and 4.6: quality of service, and order. */
export const qos: readonly Statement[] = [
  {
    id: '4.3.1-1',
    says: 'QoS 0: sent once, without an answer',
    async check(bench) {
      const [reader, writer] = await bench.pair(0);
      await writer.publish(bench.topic, bench.payloads[0]);
      const { qos, dup } = await reader.message();
      assert.deepEqual([qos, dup], [0, false]);
    },
  },
  {
    id: '4.3.2-1',
    says: 'QoS 1: sent with a packet identifier until PUBACK comes',
    async check(bench) {
      const [reader, writer] = await bench.pair(1);
      await writer.publish(bench.topic, bench.payloads[0], { qos: 1 });
      const { qos, id, dup } = await reader.message();
      assert.deepEqual([qos, id > 0, dup], [1, true, false]);
    },
  },
  {
    id: '4.3.2-2',
    says: 'QoS 1: answered with PUBACK; after that the same identifier is a new message',
    async check(bench) {
      const [reader, { raw }] = await bench.pair(1);
      for (const payload of bench.payloads) {
        raw.send(encode.publish(bench.topic, payload, { qos: 1, id: 7 }));
        assert.equal((await raw.next(TYPE.PUBACK)).body.readUInt16BE(0), 7);
        await reader.message();
      }
    },
  },
  {
    id: '4.3.3-1',
    says: 'QoS 2: sent until PUBREC, then PUBREL until PUBCOMP',
    async check(bench) {
      const [reader, writer] = await bench.pair(2);
      await writer.publish(bench.topic, bench.payloads[0], { qos: 2 });
      const { qos, id } = await reader.unacknowledged();
      assert.equal(qos, 2);
      reader.raw.send(encode.acknowledge(TYPE.PUBREC, id));
      await reader.acknowledged(TYPE.PUBREL, id);
      reader.raw.send(encode.acknowledge(TYPE.PUBCOMP, id));
      await reader.ping();
    },
  },
  {
    id: '4.3.3-2',
    says: 'QoS 2: answered with PUBREC, handed on once however often it comes before PUBREL, then PUBCOMP',
    async check(bench) {
      const [reader, { raw }] = await bench.pair(2);
      for (const dup of [false, true, true]) {
        raw.send(encode.publish(bench.topic, bench.payloads[0], { qos: 2, id: 9, dup }));
        assert.equal((await raw.next(TYPE.PUBREC)).body.readUInt16BE(0), 9);
      }
      raw.send(encode.acknowledge(TYPE.PUBREL, 9));
      await raw.next(TYPE.PUBCOMP);
      raw.send(encode.publish(bench.topic, bench.payloads[1], { qos: 2, id: 9 }));
      await raw.next(TYPE.PUBREC);
      for (const payload of bench.payloads)
        assert((await reader.message()).payload.includes(payload.slice(1, -1)));
    },
  },
  {
    id: '4.6.0-1',
    says: 'A client sends again in the order of the first time',
    unseen: 'it binds the client',
  },
  {
    id: '4.6.0-2',
    says: 'PUBACKs come in the order of the messages',
    async check(bench) {
      const { raw } = await bench.login();
      const ids = Array.from({ length: 50 }, (_, index) => index + 1);
      raw.send(
        ...ids.map((id) => encode.publish(bench.topic, bench.payloads[(id % 2) as 0 | 1], { qos: 1, id })),
      );
      for (const id of ids) assert.equal((await raw.next(TYPE.PUBACK)).body.readUInt16BE(0), id);
    },
  },
  {
    id: '4.6.0-3',
    says: 'PUBRECs come in the order of the messages',
    async check(bench) {
      const { raw } = await bench.login();
      const ids = Array.from({ length: 50 }, (_, index) => index + 1);
      raw.send(
        ...ids.map((id) => encode.publish(bench.topic, bench.payloads[(id % 2) as 0 | 1], { qos: 2, id })),
      );
      for (const id of ids) assert.equal((await raw.next(TYPE.PUBREC)).body.readUInt16BE(0), id);
    },
  },
  {
    id: '4.6.0-4',
    says: 'PUBRELs come in the order of the PUBRECs',
    async check(bench) {
      const [reader, writer] = await bench.pair(2);
      const ids: number[] = [];
      for (const payload of [...bench.payloads, ...bench.payloads]) {
        await writer.publish(bench.topic, payload, { qos: 2 });
        ids.push((await reader.unacknowledged()).id);
      }
      const order = [...ids].reverse();
      reader.raw.send(...order.map((id) => encode.acknowledge(TYPE.PUBREC, id)));
      for (const id of order) assert.equal((await reader.raw.next(TYPE.PUBREL)).body.readUInt16BE(0), id);
    },
  },
  {
    id: '4.6.0-5',
    says: 'A topic is ordered, if nothing else is agreed',
    unseen: 'it says what 4.6.0-6 is about',
  },
  {
    id: '4.6.0-6',
    says: 'The messages of an ordered topic reach a client in their order, at each QoS, also when they have waited',
    async check(bench) {
      const clientId = bench.clientId();
      const first = await bench.login({ clientId, clean: false });
      await first.subscribe([bench.topic, 1]);
      await first.disconnect();
      const writer = await bench.login();
      const sent = Array.from({ length: 20 }, (_, index) => bench.payloads[(index % 2) as 0 | 1]);
      for (const payload of sent.slice(0, 10)) await writer.publish(bench.topic, payload, { qos: 1 });
      const back = await bench.login({ clientId, clean: false });
      for (const payload of sent.slice(10)) await writer.publish(bench.topic, payload, { qos: 1 });
      for (const payload of sent) assert((await back.message()).payload.includes(payload.slice(1, -1)));
    },
  },
];
