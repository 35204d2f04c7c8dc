import assert from 'node:assert/strict';
import { filterMatches } from '../../../broker/filters.ts';
import { encode, TYPE } from '../raw-mqtt.ts';
import type { Bench } from './bench.ts';
import type { Peer } from './peer.ts';
import type { Statement } from './statement.ts';

/** One who has subscribed, and one who publishes. */
async function pair(bench: Bench, qos: number, filter = bench.topic): Promise<[reader: Peer, writer: Peer]> {
  const reader = await bench.login();
  await reader.subscribe([filter, qos]);
  return [reader, await bench.login()];
}

const retained = async (bench: Bench, filter: string) =>
  (await bench.retained(filter)).map(({ payload }) => payload);

const KEPT =
  'What clients of the platform publish is not retained, whatever they ask for. It retains the last status of each driver itself.';

/** Chapters 3.3 to 3.7, 4.3 and 4.6. */
export const publish: readonly Statement[] = [
  {
    id: '3.3.1-1',
    says: 'What is sent once more has DUP set, and only that',
    async check(bench) {
      const clientId = bench.clientId();
      const first = await bench.login({ clientId, clean: false });
      await first.subscribe([bench.topic, 1]);
      await (await bench.login()).publish(bench.topic, bench.payloads[0], { qos: 1 });
      assert(!(await first.unacknowledged()).dup);
      first.raw.end();
      assert((await (await bench.login({ clientId, clean: false })).message()).dup);
    },
  },
  {
    id: '3.3.1-2',
    says: 'At QoS 0 DUP is 0',
    async check(bench) {
      const wrong = encode.publish(bench.topic, bench.payloads[0], { dup: true });
      assert.deepEqual(await bench.closesAfterLogin(wrong), []);
    },
  },
  {
    id: '3.3.1-3',
    says: 'DUP of what comes in says nothing of what goes out',
    async check(bench) {
      const [reader, { raw }] = await pair(bench, 2);
      for (const qos of [1, 2] as const) {
        raw.send(encode.publish(bench.topic, bench.payloads[qos - 1] ?? '', { qos, id: qos, dup: true }));
        await raw.next(qos === 1 ? TYPE.PUBACK : TYPE.PUBREC);
        assert(!(await reader.message()).dup);
      }
    },
  },
  {
    id: '3.3.1-4',
    says: 'QoS 3 ends the connection',
    async check(bench) {
      const wrong = encode.publish(bench.topic, bench.payloads[0], { qos: 3 });
      assert.deepEqual(await bench.closesAfterLogin(wrong), []);
    },
  },
  {
    id: '3.3.1-5',
    says: 'With RETAIN a message and its QoS are kept, in the place of the one before',
    on: 'relay',
    otherwise: KEPT,
    async check(bench) {
      const writer = await bench.login();
      await writer.publish(bench.topic, 'first', { qos: 1, retain: true });
      await writer.publish(bench.topic, 'second', { qos: 2, retain: true });
      const reader = await bench.login();
      await reader.subscribe([bench.topic, 2]);
      const { payload, qos } = await reader.message();
      assert.deepEqual([payload, qos], ['second', 2]);
    },
  },
  {
    id: '3.3.1-6',
    says: 'A new subscription gets the last retained message of each topic that it matches',
    on: 'relay',
    async check(bench) {
      const writer = await bench.login();
      const root = bench.topic;
      const own = [root, `${root}/a`, `${root}/b`, `${root}/b/c`];
      for (const topic of own) await writer.publish(topic, topic, { qos: 1, retain: true });
      assert.deepEqual((await retained(bench, `${root}/#`)).sort(), [...own].sort());
      assert.deepEqual((await retained(bench, `${root}/+`)).sort(), own.slice(1, 3));
      assert.deepEqual(await retained(bench, root), [root]);
    },
  },
  {
    id: '3.3.1-7',
    says: 'A retained message of QoS 0 takes the place of the one before; it may be discarded at any time',
    on: 'relay',
    async check(bench) {
      const writer = await bench.login();
      await writer.publish(bench.topic, 'first', { qos: 1, retain: true });
      await writer.publish(bench.topic, 'second', { retain: true });
      assert.deepEqual(await retained(bench, bench.topic), ['second']);
    },
  },
  {
    id: '3.3.1-8',
    says: 'What is sent for a new subscription has RETAIN set',
    async check(bench) {
      const writer = await bench.login();
      await writer.publish(bench.topic, bench.payloads[0], { qos: 1, retain: true });
      const reader = await bench.login();
      await reader.subscribe([bench.topic, 1]);
      assert((await reader.message()).retain);
    },
  },
  {
    id: '3.3.1-9',
    says: 'What is sent for a subscription that was there has RETAIN 0, live and when it has waited',
    async check(bench) {
      const [reader, writer] = await pair(bench, 1);
      await writer.publish(bench.topic, bench.payloads[0], { qos: 1, retain: true });
      assert(!(await reader.message()).retain);
      const clientId = bench.clientId();
      const first = await bench.login({ clientId, clean: false });
      const topic = bench.anotherTopic();
      await first.subscribe([topic, 1]);
      await first.disconnect();
      await writer.publish(topic, bench.payloads[1], { qos: 1, retain: true });
      assert(!(await (await bench.login({ clientId, clean: false })).message()).retain);
    },
  },
  {
    id: '3.3.1-10',
    says: 'An empty message with RETAIN removes what is retained, and goes to the subscribers',
    on: 'relay',
    async check(bench) {
      const [reader, writer] = await pair(bench, 1);
      await writer.publish(bench.topic, 'x', { qos: 1, retain: true });
      await writer.publish(bench.topic, '', { qos: 1, retain: true });
      assert.deepEqual([(await reader.message()).payload, (await reader.message()).payload], ['x', '']);
      assert.deepEqual(await retained(bench, bench.topic), []);
    },
  },
  {
    id: '3.3.1-11',
    says: 'An empty message is not retained itself',
    on: 'relay',
    async check(bench) {
      await (await bench.login()).publish(bench.topic, '', { qos: 1, retain: true });
      assert.deepEqual(await retained(bench, bench.topic), []);
    },
  },
  {
    id: '3.3.1-12',
    says: 'Without RETAIN nothing is kept, and what is retained stays',
    on: 'relay',
    async check(bench) {
      const writer = await bench.login();
      await writer.publish(bench.topic, 'x', { qos: 1 });
      assert.deepEqual(await retained(bench, bench.topic), []);
      await writer.publish(bench.topic, 'kept', { qos: 1, retain: true });
      await writer.publish(bench.topic, 'y', { qos: 1 });
      await writer.publish(bench.topic, '', { qos: 1 });
      assert.deepEqual(await retained(bench, bench.topic), ['kept']);
    },
  },
  {
    id: '3.3.2-1',
    says: 'The topic comes first in a PUBLISH, and is UTF-8',
    unseen: 'see 1.5.3-1: what stands there is read as the topic',
  },
  {
    id: '3.3.2-2',
    says: 'There is no wildcard in the topic of a PUBLISH',
    async check(bench) {
      for (const topic of ['#', '+', 'a/+/b', 'a/#', 'a+', '#a'])
        assert.deepEqual(await bench.closesAfterLogin(encode.publish(topic, 'x', { qos: 1 })), [], topic);
    },
  },
  {
    id: '3.3.2-3',
    says: 'What a subscriber gets has a topic that its filter matches',
    async check(bench) {
      const [reader, writer] = await pair(bench, 0, bench.wildcard);
      const other = bench.topic.replace(/[^/]+$/, 'errors');
      await reader.subscribe([bench.anotherTopic(), 0]);
      await writer.publish(`${bench.topic}/x`, bench.payloads[1]);
      await writer.publish(other, bench.payloads[1]);
      await writer.publish(bench.topic, bench.payloads[0]);
      for (let topic = ''; topic !== bench.topic; ) {
        topic = (await reader.message()).topic;
        assert(filterMatches(bench.wildcard, topic), topic);
      }
    },
  },
  {
    id: '3.3.4-1',
    says: 'QoS 0 is not answered, QoS 1 with PUBACK, QoS 2 with PUBREC',
    async check(bench) {
      const { raw } = await bench.login();
      for (const qos of [0, 1, 2])
        raw.send(encode.publish(bench.topic, bench.payloads[0], { qos, id: qos || 1 }));
      assert.deepEqual([(await raw.next()).type, (await raw.next()).type], [TYPE.PUBACK, TYPE.PUBREC]);
    },
  },
  {
    id: '3.3.5-1',
    says: 'A message that several filters of a client match comes at the highest QoS of them',
    otherwise: 'It comes once, not once for each filter, which the standard leaves open.',
    async check(bench) {
      const plus = bench.wildcard;
      // To the platform's users no filter with a # is granted beside it
      const hash = bench.broker.name === 'relay' ? bench.topic.replace(/[^/]+$/, '#') : plus;
      const pairs = [
        [bench.topic, 0, plus, 1],
        [bench.topic, 0, plus, 2],
        [bench.topic, 1, plus, 2],
        [bench.topic, 2, plus, 0],
        [bench.topic, 1, hash, 0],
        ...(bench.broker.name === 'relay'
          ? ([
              [plus, 0, hash, 2],
              [plus, 1, hash, 2],
              [plus, 2, hash, 1],
            ] as const)
          : []),
      ] as const;
      const writer = await bench.login();
      const readers: [Peer, number][] = [];
      for (const [one, oneQos, two, twoQos] of pairs) {
        const reader = await bench.login();
        await reader.subscribe([one, oneQos], [two, twoQos]);
        readers.push([reader, Math.max(oneQos, twoQos)]);
      }
      for (const payload of [bench.payloads[0], bench.payloads[1]])
        await writer.publish(bench.topic, payload, { qos: 2 });
      for (const [index, [reader, highest]] of readers.entries())
        for (const payload of bench.payloads) {
          const message = await reader.message(bench.topic);
          assert(message.payload.includes(payload.slice(1, -1)), `${pairs[index]}: ${message.payload}`);
          assert.equal(message.qos, highest, `${pairs[index]}`);
        }
    },
  },
  {
    id: '3.3.5-2',
    says: 'A PUBLISH that is not allowed is acknowledged all the same, or ends the connection',
    on: 'platform',
    otherwise: 'The platform acknowledges it, and says on the topic of errors of the sender what was wrong.',
    async check(bench) {
      const [reader, writer] = await pair(bench, 1);
      for (const qos of [1, 2] as const) await writer.publish('conformance/nobodys', 'x', { qos });
      await writer.publish(bench.topic, bench.payloads[0], { qos: 1 });
      assert.equal((await reader.message()).topic, bench.topic);
    },
  },
  {
    id: '3.6.1-1',
    says: 'The flags of PUBREL are 0010',
    async check(bench) {
      const wrong = encode.acknowledge(TYPE.PUBREL, 1);
      wrong[0] = 0x60;
      assert.deepEqual(await bench.closesAfterLogin(wrong), []);
    },
  },
  {
    id: '4.3.1-1',
    says: 'QoS 0: sent once, without an answer',
    async check(bench) {
      const [reader, writer] = await pair(bench, 0);
      await writer.publish(bench.topic, bench.payloads[0]);
      const { qos, dup } = await reader.message();
      assert.deepEqual([qos, dup], [0, false]);
    },
  },
  {
    id: '4.3.2-1',
    says: 'QoS 1: sent with a packet identifier until PUBACK comes',
    async check(bench) {
      const [reader, writer] = await pair(bench, 1);
      await writer.publish(bench.topic, bench.payloads[0], { qos: 1 });
      const { qos, id, dup } = await reader.message();
      assert.deepEqual([qos, id > 0, dup], [1, true, false]);
    },
  },
  {
    id: '4.3.2-2',
    says: 'QoS 1: answered with PUBACK; after that the same identifier is a new message',
    async check(bench) {
      const [reader, { raw }] = await pair(bench, 1);
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
      const [reader, writer] = await pair(bench, 2);
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
      const [reader, { raw }] = await pair(bench, 2);
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
      const [reader, writer] = await pair(bench, 2);
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
