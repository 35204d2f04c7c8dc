import { beforeEach, expect, test } from '@jest/globals';
import { newSession, type SessionClient } from '../../broker/session.ts';
import { sendWaiting } from '../../broker/take-up.ts';
import type { Identity } from '../../shared/auth/identity.ts';
import type { QueuedPacket, SessionStore } from '../../shared/session-store/index.ts';
import { createMemorySessionStore } from '../../shared/session-store/memory.ts';
import { createLogger } from '../../shared/telemetry/log.ts';

const log = createLogger('silent');
const ann: Identity = { sub: 'ann', role: 'RIDER', expiresAt: Number.MAX_SAFE_INTEGER, trips: [] };
const topic = 'riders/ann/errors';

let store: SessionStore;
/** What the client was sent, by counter. */
let sent: number[];
let client: SessionClient;

beforeEach(() => {
  store = createMemorySessionStore(1000);
  sent = [];
  const made = {
    id: 'ann/phone',
    clean: false,
    closed: false,
    session: newSession(ann, 'TCP', false),
    duplicates: {},
    async deliver(packet: QueuedPacket, done: () => void) {
      sent.push(packet.brokerCounter ?? 0);
      await store.outgoingUpdate(client, { ...packet, messageId: packet.brokerCounter });
      done();
    },
    deliverQoS(packet: QueuedPacket, done: () => void) {
      void made.deliver(packet, done);
    },
  };
  client = made as unknown as SessionClient;
});

const queue = (...counters: number[]) =>
  counters.reduce(
    (before, brokerCounter) =>
      before.then(() =>
        store.outgoingEnqueueCombi([{ clientId: client.id, topic, qos: 1 }], {
          cmd: 'publish',
          topic,
          payload: Buffer.from('{}'),
          qos: 1,
          retain: false,
          brokerId: 'publisher',
          brokerCounter,
        }),
      ),
    Promise.resolve(),
  );

test('what waits is sent in order, and what was sent before is not sent again', async () => {
  await queue(1, 2, 3);
  await sendWaiting(client, store, log);
  await queue(4);
  await sendWaiting(client, store, log);
  expect(sent).toEqual([1, 2, 3, 4]);
  expect(client.session?.held).toBeUndefined();
});

test('of two who ask at once, both wait until all that is there has gone out', async () => {
  await queue(1, 2);
  const first = sendWaiting(client, store, log);
  await queue(3);
  await Promise.all([first, sendWaiting(client, store, log)]);
  expect(sent).toEqual([1, 2, 3]);
});

test('a queue that can not be read now is read again: the client stays, and what is live waits', async () => {
  await queue(1, 2);
  const read = store.outgoingStream.bind(store);
  let failures = 2;
  store.outgoingStream = (reader) => {
    if (failures-- > 0) throw new Error('Redis is away');
    return read(reader);
  };
  const sending = sendWaiting(client, store, log);
  expect(client.session?.held).toBeDefined();
  await sending;
  expect([sent, failures]).toEqual([[1, 2], -1]);
});

test('a session that ends with its connection has nothing that waits', async () => {
  client.clean = true;
  await sendWaiting(client, store, log);
  expect([sent, client.session?.held]).toEqual([[], undefined]);
});
