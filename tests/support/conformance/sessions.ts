import assert from 'node:assert/strict';
import { encode, TYPE } from '../raw-mqtt.ts';
import type { Bench } from './bench.ts';
import type { Will } from './packets.ts';
import type { Peer } from './peer.ts';
import type { Statement } from './statement.ts';

/** A session with a subscription, whose client has left. */
async function away(bench: Bench, qos: number, ...filters: readonly string[]): Promise<string> {
  const clientId = bench.clientId();
  const peer = await bench.login({ clientId, clean: false });
  for (const filter of filters) await peer.subscribe([filter, qos]);
  await peer.disconnect();
  return clientId;
}

/** Somebody who reads what the will of another says, and a connection that leaves one. */
async function withWill(bench: Bench, will: Partial<Will> = {}): Promise<[reader: Peer, leaver: Peer]> {
  const reader = await bench.login();
  await reader.subscribe([String(will.topic ?? bench.topic), 2]);
  const leaver = await bench.login({ will: { topic: bench.topic, payload: bench.payloads[0], ...will } });
  return [reader, leaver];
}

const says = (payload: string, expected: string) =>
  assert(payload.includes(expected.replace(/[{}]/g, '')), `${payload} is not ${expected}`);

/** Nothing but this one has come on the topic of the check. */
async function isFirst(bench: Bench, reader: Peer): Promise<void> {
  const writer = await bench.login();
  await writer.publish(bench.topic, bench.payloads[1], { qos: 1 });
  says((await reader.message()).payload, bench.payloads[1]);
}

/** Sessions and wills, of chapters 3.1 and 3.14, and 4.1, 4.4, 4.5. */
export const sessions: readonly Statement[] = [
  {
    id: '3.1.2-4',
    says: 'A session that is not clean is taken up again, with its subscriptions',
    async check(bench) {
      const clientId = await away(bench, 1, bench.topic);
      const back = await bench.login({ clientId, clean: false });
      assert(back.sessionPresent);
      await isFirst(bench, back);
    },
  },
  {
    id: '3.1.2-5',
    says: 'What comes at QoS 1 or 2 while its client is away is kept for it',
    async check(bench) {
      for (const qos of [1, 2] as const) {
        const topic = bench.anotherTopic();
        const clientId = await away(bench, qos, topic);
        const writer = await bench.login();
        await writer.publish(topic, bench.payloads[0], { qos: 2 });
        await writer.publish(topic, bench.payloads[1], { qos: 2 });
        const back = await bench.login({ clientId, clean: false });
        for (const payload of bench.payloads) {
          const message = await back.message();
          says(message.payload, payload);
          assert.equal(message.qos, qos);
        }
      }
    },
  },
  {
    id: '3.1.2-6',
    says: 'A clean session begins with nothing, and is not kept',
    async check(bench) {
      const clientId = await away(bench, 1, bench.topic);
      const writer = await bench.login();
      await writer.publish(bench.topic, bench.payloads[0], { qos: 1 });
      const clean = await bench.login({ clientId, clean: true });
      await clean.disconnect();
      const back = await bench.login({ clientId, clean: false });
      assert(!back.sessionPresent);
      await back.subscribe([bench.anotherTopic(), 1]);
      await writer.publish(bench.topic, bench.payloads[1], { qos: 1 });
      await back.ping();
      assert(!back.raw.received.some(({ type }) => type === TYPE.PUBLISH));
    },
  },
  {
    id: '3.1.2-7',
    says: 'Retained messages stay when a session ends',
    on: 'relay',
    async check(bench) {
      const writer = await bench.login();
      await writer.publish(bench.topic, bench.payloads[0], { qos: 1, retain: true });
      await writer.disconnect();
      const reader = await bench.login();
      await reader.subscribe([bench.topic, 1]);
      assert.equal((await reader.message()).payload, bench.payloads[0]);
    },
  },
  {
    id: '3.1.2-8',
    says: 'The will of a connection that is lost is published: cut, silent, or ended for a violation',
    async check(bench) {
      const [first, cut] = await withWill(bench);
      cut.raw.end();
      says((await first.message()).payload, bench.payloads[0]);
      const topic = bench.anotherTopic();
      const [second, violating] = await withWill(bench, { topic, payload: bench.payloads[1] });
      violating.raw.send(Buffer.from([0xf0, 0]));
      says((await second.message()).payload, bench.payloads[1]);
      const will = { topic, payload: bench.payloads[0] };
      await bench.login({ will, keepalive: 1 });
      says((await second.message()).payload, bench.payloads[0]);
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
      await isFirst(bench, reader);
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
      await isFirst(bench, reader);
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
      await isFirst(bench, late);
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
      says((await reader.message()).payload, bench.payloads[0]);
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
      await isFirst(bench, reader);
    },
  },
  {
    id: '4.1.0-1',
    says: 'A session lasts as long as its connection',
    unseen: 'client and server need one for all that is checked here',
  },
  {
    id: '4.1.0-2',
    says: 'A session that is not clean lasts longer, as the server is set up for it',
    check: async (bench) => {
      const clientId = await away(bench, 1, bench.topic);
      assert((await bench.login({ clientId, clean: false })).sessionPresent);
    },
  },
  {
    id: '4.4.0-1',
    says: 'When a session is taken up, what is not acknowledged is sent again with its packet identifier: PUBLISH and PUBREL',
    otherwise:
      'Retained messages for a new subscription (and snapshots) go out once: who loses them subscribes again.',
    async check(bench) {
      const clientId = bench.clientId();
      const first = await bench.login({ clientId, clean: false });
      const [one, two] = [bench.topic, bench.anotherTopic()];
      await first.subscribe([one, 1], [two, 2]);
      const writer = await bench.login();
      await writer.publish(one, bench.payloads[0], { qos: 2 });
      await writer.publish(two, bench.payloads[1], { qos: 2 });
      const sent = [await first.unacknowledged(), await first.unacknowledged()];
      const [atLeastOnce, exactlyOnce] = [
        sent.find(({ qos }) => qos === 1),
        sent.find(({ qos }) => qos === 2),
      ];
      first.raw.send(encode.acknowledge(TYPE.PUBREC, exactlyOnce?.id ?? 0));
      await first.raw.next(TYPE.PUBREL);
      first.raw.end();
      const back = await bench.login({ clientId, clean: false });
      const again = await back.unacknowledged();
      assert.deepEqual(again, { ...atLeastOnce, dup: true });
      assert.equal((await back.raw.next(TYPE.PUBREL)).body.readUInt16BE(0), exactlyOnce?.id);
    },
  },
  {
    id: '4.5.0-1',
    says: 'A message is added to the session of each client that has subscribed to it',
    async check(bench) {
      const ids = [await away(bench, 1, bench.topic), await away(bench, 2, bench.topic)];
      await (await bench.login()).publish(bench.topic, bench.payloads[0], { qos: 1 });
      for (const clientId of ids)
        says((await (await bench.login({ clientId, clean: false })).message()).payload, bench.payloads[0]);
    },
  },
  { id: '4.5.0-2', says: 'A client acknowledges what it is sent', unseen: 'it binds the client' },
];
