import assert from 'node:assert/strict';
import { encode } from '../raw-mqtt.ts';
import type { Bench } from './bench.ts';
import { says, type Will } from './packets.ts';
import type { Peer } from './peer.ts';
import type { Statement } from './statement.ts';

/** Somebody who reads what the will of another says, and a connection that leaves one. */
async function withWill(bench: Bench, will: Partial<Will> = {}): Promise<[reader: Peer, leaver: Peer]> {
  const reader = await bench.login();
  await reader.subscribe([String(will.topic ?? bench.topic), 2]);
  const leaver = await bench.login({ will: { topic: bench.topic, payload: bench.payloads[0], ...will } });
  return [reader, leaver];
}

/** Wills, of chapters 3.1 and 3.14. */
export const wills: readonly Statement[] = [
  {
    id: '3.1.2-8',
    says: 'The will of a connection that is lost is published: cut, silent, or ended for a violation',
    async check(bench) {
      const [first, cut] = await withWill(bench);
      cut.raw.end();
      says(await first.message(), bench.payloads[0]);
      const topic = bench.anotherTopic();
      const [second, violating] = await withWill(bench, { topic, payload: bench.payloads[1] });
      violating.raw.send(Buffer.from([0xf0, 0]));
      says(await second.message(), bench.payloads[1]);
      const will = { topic, payload: bench.payloads[0] };
      await bench.login({ will, keepalive: 1 });
      says(await second.message(), bench.payloads[0]);
    },
  },
  {
    id: '3.1.2-9',
    says: 'With the will flag there are a topic and a message',
    async check(bench) {
      const flags = (right: number) => right | 4;
      assert.deepEqual(await bench.closes(bench.connect({ flags })), []);
    },
  },
  {
    id: '3.1.2-10',
    says: 'A will is gone once it is published, or its client has said DISCONNECT',
    async check(bench) {
      const [reader, leaver] = await withWill(bench);
      await leaver.disconnect();
      await bench.isNext(reader);
    },
  },
  {
    id: '3.1.2-11',
    says: 'Without the will flag there are no topic and message, and no QoS and RETAIN of a will',
    async check(bench) {
      for (const bits of [0x08, 0x10, 0x20])
        assert.deepEqual(await bench.closes(bench.connect({ flags: (right) => right | bits })), []);
      const will = { topic: bench.topic, payload: bench.payloads[0] };
      assert.deepEqual(await bench.closes(bench.connect({ will, flags: (right) => right & ~4 })), []);
    },
  },
  {
    id: '3.1.2-12',
    says: 'Without a will nothing is published when the connection is lost',
    async check(bench) {
      const reader = await bench.login();
      await reader.subscribe([bench.topic, 1]);
      (await bench.login()).raw.end();
      await bench.isNext(reader);
    },
  },
  {
    id: '3.1.2-13',
    says: 'Without the will flag its QoS is 0',
    check: async (bench) =>
      assert.deepEqual(await bench.closes(bench.connect({ flags: (right) => right | 0x18 })), []),
  },
  {
    id: '3.1.2-14',
    says: 'The QoS of a will is 0, 1 or 2, and it is published at that',
    async check(bench) {
      const will = { topic: bench.topic, payload: bench.payloads[0] };
      assert.deepEqual(await bench.closes(bench.connect({ will: { ...will, qos: 3 } })), []);
      if (bench.broker.name === 'platform') return;
      for (const qos of [0, 1, 2]) {
        const [reader, leaver] = await withWill(bench, { qos });
        leaver.raw.end();
        assert.equal((await reader.message()).qos, qos);
      }
    },
  },
  {
    id: '3.1.2-15',
    says: 'Without the will flag its RETAIN is 0',
    check: async (bench) =>
      assert.deepEqual(await bench.closes(bench.connect({ flags: (right) => right | 0x20 })), []),
  },
  {
    id: '3.1.2-16',
    says: 'A will without RETAIN is not retained',
    on: 'relay',
    async check(bench) {
      const [reader, leaver] = await withWill(bench, { qos: 1 });
      leaver.raw.end();
      await reader.message();
      const late = await bench.login();
      await late.subscribe([bench.topic, 1]);
      await bench.isNext(late);
    },
  },
  {
    id: '3.1.2-17',
    says: 'A will with RETAIN is retained',
    on: 'relay',
    otherwise:
      'On the platform the last status of a driver is retained, whether RETAIN is set or not, and nothing else: by clients of the platform nothing is.',
    async check(bench) {
      const [reader, leaver] = await withWill(bench, { qos: 1, retain: true });
      leaver.raw.end();
      assert(!(await reader.message()).retain);
      const late = await bench.login();
      await late.subscribe([bench.topic, 1]);
      const { retain, payload } = await late.message();
      assert.deepEqual([retain, payload], [true, bench.payloads[0]]);
    },
  },
  {
    id: '3.14.1-1',
    says: 'The flags of DISCONNECT are 0; else the connection ends as if it were lost',
    async check(bench) {
      const [reader, leaver] = await withWill(bench);
      leaver.raw.send(Buffer.from([0xe1, 0]));
      await leaver.raw.closed;
      says(await reader.message(), bench.payloads[0]);
    },
  },
  { id: '3.14.4-1', says: 'After DISCONNECT a client closes the connection', unseen: 'it binds the client' },
  { id: '3.14.4-2', says: 'After DISCONNECT a client sends no more', unseen: 'it binds the client' },
  {
    id: '3.14.4-3',
    says: 'On DISCONNECT the server discards the will, and closes a connection that the client has not closed',
    async check(bench) {
      const [reader, leaver] = await withWill(bench);
      leaver.raw.send(encode.disconnect());
      await leaver.raw.closed;
      await bench.isNext(reader);
    },
  },
];
