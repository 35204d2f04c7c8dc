import { beforeEach, describe, expect, test } from '@jest/globals';
import type { EmittedMessage, Emitter } from '../../shared/emitter/index.ts';
import { createPublisher, type Publisher } from '../../shared/messages/publisher.ts';
import type { SessionStore, StoredSubscription } from '../../shared/session-store/index.ts';

let emitted: EmittedMessage[];
/** What the session store was asked to keep: who, what and at which QoS. */
let queued: { clients: string[]; message: EmittedMessage }[];
let retained: EmittedMessage[];
let subscriptions: StoredSubscription[];
/** Called for every look-up of subscriptions: a store may take its time, or be away. */
let lookUp: () => Promise<void>;
let publisher: Publisher;

beforeEach(() => {
  emitted = [];
  queued = [];
  retained = [];
  subscriptions = [];
  lookUp = async () => undefined;
  const emitter: Pick<Emitter, 'emit'> = {
    emit(message, done) {
      emitted.push(message);
      done?.();
    },
  };
  const store: Pick<SessionStore, 'storeRetained' | 'subscriptionsByTopic' | 'outgoingEnqueueCombi'> = {
    async storeRetained(message) {
      retained.push(message);
    },
    async subscriptionsByTopic() {
      await lookUp();
      return subscriptions;
    },
    async outgoingEnqueueCombi(some, message) {
      queued.push({ clients: some.map(({ clientId }) => clientId), message });
    },
  };
  publisher = createPublisher(emitter as Emitter, store as SessionStore);
});

const message = (text: string, retain = false) => ({
  topic: 'drivers/anna/errors',
  payload: Buffer.from(text),
  ...(retain ? { retain } : {}),
});

const texts = () => emitted.map(({ payload }) => payload.toString());

describe('a position', () => {
  test('goes out at once at QoS 0, is kept nowhere, and says when it was written', () => {
    let written = false;
    publisher.stream('drivers/anna/location', Buffer.from('here'), () => {
      written = true;
    });
    expect(emitted).toEqual([
      expect.objectContaining({ cmd: 'publish', topic: 'drivers/anna/location', qos: 0, retain: false }),
    ]);
    expect([written, queued, retained]).toEqual([true, [], []]);
  });
});

describe('a notice', () => {
  test('goes out at the highest QoS that can have been asked for', async () => {
    await publisher.notify(message('text'));
    expect(emitted).toEqual([
      expect.objectContaining({ qos: 2, retain: false, payload: Buffer.from('text') }),
    ]);
    expect(retained).toEqual([]);
  });

  test('is kept for persistent sessions at the QoS that each asked for, once a session', async () => {
    subscriptions = [
      { clientId: 'none', topic: '#', qos: 0 },
      { clientId: 'one', topic: 'drivers/anna/#', qos: 1 },
      { clientId: 'both', topic: 'drivers/anna/errors', qos: 1 },
      { clientId: 'two', topic: 'drivers/anna/errors', qos: 2 },
      { clientId: 'both', topic: 'drivers/anna/+', qos: 2 },
    ];
    await publisher.notify(message('text'));
    expect(queued.map(({ clients, message: { qos } }) => ({ clients: clients.toSorted(), qos }))).toEqual([
      { clients: ['one'], qos: 1 },
      { clients: ['both', 'two'], qos: 2 },
    ]);
    // A client drops what it was sent already: it knows that by these
    for (const { message: kept } of queued)
      expect([kept.brokerId, kept.brokerCounter]).toEqual([emitted[0]?.brokerId, emitted[0]?.brokerCounter]);
  });

  test('that is to be retained is, but does not say so to whoever it is kept for', async () => {
    subscriptions = [{ clientId: 'one', topic: '#', qos: 1 }];
    await publisher.notify(message('text', true));
    expect(retained).toEqual([expect.objectContaining({ retain: true, payload: Buffer.from('text') })]);
    expect(queued.map((entry) => entry.message.retain)).toEqual([false]);
  });

  test('goes out only after it was kept, and after those before it', async () => {
    const open: (() => void)[] = [];
    lookUp = () => new Promise((resolve) => open.push(resolve));
    const sent = [
      publisher.notify(message('a')),
      publisher.notify(message('b')),
      publisher.notify(message('c')),
    ];
    for (const expected of [[], ['a'], ['a', 'b']]) {
      while (open.length === 0) await Promise.resolve();
      expect(texts()).toEqual(expected);
      open.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(sent);
    expect(texts()).toEqual(['a', 'b', 'c']);
  });

  test('that can not be kept fails for its sender alone', async () => {
    let fails = true;
    lookUp = async () => {
      if (fails) throw new Error('away');
    };
    const failed = publisher.notify(message('a'));
    await expect(failed).rejects.toThrow('away');
    fails = false;
    await publisher.notify(message('b'));
    expect(texts()).toEqual(['b']);
  });
});

test('positions overtake notices without either being taken for a double: each kind counts up by itself', async () => {
  const open: (() => void)[] = [];
  lookUp = () => new Promise((resolve) => open.push(resolve));
  const sent = [publisher.notify(message('slow')), publisher.notify(message('slower'))];
  publisher.stream('drivers/anna/location', Buffer.from('1'));
  publisher.stream('drivers/anna/location', Buffer.from('2'));
  while (open.length < 1) await Promise.resolve();
  open.shift()?.();
  await sent[0];
  publisher.stream('drivers/anna/location', Buffer.from('3'));
  while (open.length < 1) await Promise.resolve();
  open.shift()?.();
  await Promise.all(sent);
  expect(texts()).toEqual(['1', '2', 'slow', '3', 'slower']);
  const lanes = new Map<string, number[]>();
  for (const { brokerId, brokerCounter } of emitted)
    lanes.set(brokerId, [...(lanes.get(brokerId) ?? []), brokerCounter]);
  expect([...lanes.values()]).toEqual([
    [1, 2, 3],
    [1, 2],
  ]);
});
