import assert from 'node:assert/strict';
import { encode, TYPE } from '../raw-mqtt.ts';
import type { Bench } from './bench.ts';
import { says } from './packets.ts';
import type { Statement } from './statement.ts';

/** A session with a subscription, whose client has left. */
async function away(bench: Bench, qos: number, ...filters: readonly string[]): Promise<string> {
  const clientId = bench.clientId();
  const peer = await bench.login({ clientId, clean: false });
  for (const filter of filters) await peer.subscribe([filter, qos]);
  await peer.disconnect();
  return clientId;
}

/** Sessions, of chapters 3.1, 4.1, 4.4 and 4.5. */
export const sessions: readonly Statement[] = [
  {
    id: '3.1.2-4',
    says: 'A session that is not clean is taken up again, with its subscriptions',
    async check(bench) {
      const clientId = await away(bench, 1, bench.topic);
      const back = await bench.login({ clientId, clean: false });
      assert(back.sessionPresent);
      await bench.isNext(back);
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
          says(message, payload);
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
        says(await (await bench.login({ clientId, clean: false })).message(), bench.payloads[0]);
    },
  },
  { id: '4.5.0-2', says: 'A client acknowledges what it is sent', unseen: 'it binds the client' },
];
