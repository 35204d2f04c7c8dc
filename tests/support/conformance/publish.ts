import assert from 'node:assert/strict';
import { filterMatches } from '../../../broker/filters.ts';
import { encode, TYPE } from '../raw-mqtt.ts';
import type { Peer } from './peer.ts';
import type { Statement } from './statement.ts';

const _KEPT =
  'What clients of the platform publish is not retained, whatever they ask for. It retains the last status of each driver itself.';

/** Chapters 3.3 to 3.7, without retained messages. */
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
      const [reader, { raw }] = await bench.pair(2);
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
      const [reader, writer] = await bench.pair(0, bench.wildcard);
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
      const [reader, writer] = await bench.pair(1);
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
];
