import assert from 'node:assert/strict';
import type { Bench } from './bench.ts';
import type { Statement } from './statement.ts';

const retained = async (bench: Bench, filter: string) =>
  (await bench.retained(filter)).map(({ payload }) => payload);

const KEPT =
  'What clients of the platform publish is not retained, whatever they ask for. It retains the last status of each driver itself.';

/** Retained messages, of chapter 3.3. */
export const retainedMessages: readonly Statement[] = [
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
      const [reader, writer] = await bench.pair(1);
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
      const [reader, writer] = await bench.pair(1);
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
];
