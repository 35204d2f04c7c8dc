import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { repairQueues, WITHHELD } from '../../broker/session-queue.ts';
import type { EmittedMessage } from '../../shared/emitter/index.ts';
import type { SessionStore } from '../../shared/session-store/index.ts';

const client = { id: 'driver-1/phone', clean: false };
const subscription = { clientId: client.id, topic: 'drivers/driver-1/errors', qos: 2 as const };

/** What the broker relies on in a session store, whichever adapter it is. Called in a test file of its own for each. */
export function describeSessionQueues(
  open: (onDropped: () => void) => Promise<{ store: SessionStore; close(): Promise<void> }>,
): void {
  let store: SessionStore;
  let dropped: number;
  let close: () => Promise<void>;

  beforeEach(async () => {
    dropped = 0;
    ({ store, close } = await open(() => {
      dropped++;
    }));
    repairQueues(store);
  });
  afterEach(() => close());

  const message = (brokerCounter: number): EmittedMessage => ({
    cmd: 'publish',
    topic: 'drivers/driver-1/errors',
    payload: Buffer.from(String(brokerCounter)),
    qos: 2,
    retain: false,
    brokerId: 'publisher',
    brokerCounter,
  });

  const enqueue = (...counters: number[]) =>
    counters.reduce(
      (before, counter) => before.then(() => store.outgoingEnqueueCombi([subscription], message(counter))),
      Promise.resolve(),
    );
  const sent = (counter: number, messageId: number) =>
    store.outgoingUpdate(client, { ...message(counter), messageId });

  /** What is in the queue: `cmd`, counter and id of each. */
  async function queue(): Promise<unknown[]> {
    const found: unknown[] = [];
    for await (const { cmd, brokerCounter, messageId } of store.outgoingStream(client))
      found.push(cmd === 'publish' ? [brokerCounter, messageId] : [cmd, messageId]);
    return found;
  }

  describe('the queue of a session', () => {
    test('is emptied by what acknowledges its messages', async () => {
      await enqueue(1, 2, 3);
      await sent(1, 11);
      await sent(3, 13);
      await store.outgoingClearMessageId(client, { messageId: 13 });
      expect(await queue()).toEqual([
        [1, 11],
        [2, undefined],
      ]);
      await store.outgoingClearMessageId(client, { messageId: 99 });
      expect(await queue()).toHaveLength(2);
    });

    test('loses only what is withheld, not what happens to be first', async () => {
      await enqueue(1, 2, 3);
      await store.outgoingClearMessageId(client, { ...message(2), [WITHHELD]: true } as object);
      expect(await queue()).toEqual([
        [1, undefined],
        [3, undefined],
      ]);
      await store.outgoingClearMessageId(client, { ...message(9), [WITHHELD]: true } as object);
      expect(await queue()).toHaveLength(2);
    });

    test('loses nothing to a second filter that matches the same message', async () => {
      await enqueue(1, 2);
      await store.outgoingClearMessageId(client, message(1));
      expect(await queue()).toEqual([
        [1, undefined],
        [2, undefined],
      ]);
    });

    test('takes up what was sent before it was there', async () => {
      await enqueue(1);
      await sent(2, 12);
      expect(await queue()).toEqual([
        [1, undefined],
        [2, 12],
      ]);
    });

    test('tells apart the QoS 2 messages that wait for their PUBCOMP', async () => {
      await enqueue(1, 2, 3);
      for (const id of [1, 2, 3]) await sent(id, 10 + id);
      for (const messageId of [11, 12, 13, 12])
        await store.outgoingUpdate(client, { cmd: 'pubrel', messageId });
      expect(await queue()).toEqual([
        ['pubrel', 11],
        ['pubrel', 12],
        ['pubrel', 13],
      ]);
      for (const messageId of [12, 11, 13]) await store.outgoingClearMessageId(client, { messageId });
      expect(await queue()).toEqual([]);
    });

    test('answers a PUBREC for nothing without a fault', async () => {
      await expect(store.outgoingUpdate(client, { cmd: 'pubrel', messageId: 5 })).resolves.toBeUndefined();
      expect(await queue()).toEqual([]);
    });

    test('that is full loses its oldest message that was not sent', async () => {
      const counters = Array.from({ length: 1000 }, (_, index) => index + 1);
      await enqueue(...counters);
      await sent(1, 11);
      await enqueue(1001, 1002);
      expect(dropped).toBe(2);
      const left = await queue();
      expect(left).toHaveLength(1000);
      expect(left.slice(0, 2)).toEqual([
        [1, 11],
        [4, undefined],
      ]);
      expect(left.at(-1)).toEqual([1002, undefined]);
    });

    test('that is full of what is never acknowledged takes no more, and says so to who sends', async () => {
      const counters = Array.from({ length: 1000 }, (_, index) => index + 1);
      await enqueue(...counters);
      for (const counter of counters) await sent(counter, counter);
      await enqueue(1001);
      expect(await queue()).toHaveLength(1000);
      await expect(sent(1001, 1001)).rejects.toThrow('full');
      await store.outgoingClearMessageId(client, { messageId: 500 });
      await enqueue(1002);
      expect(await queue()).toHaveLength(1000);
    });
  });

  test('a QoS 2 message that came is remembered without its payload', async () => {
    const packet = { messageId: 7, payload: Buffer.alloc(60_000), topic: 'x', qos: 2 };
    await store.incomingStorePacket(client, packet);
    const found = (await store.incomingGetPacket(client, { messageId: 7 })) as { payload: Buffer };
    expect(found.payload).toHaveLength(0);
    await expect(store.incomingGetPacket(client, { messageId: 8 })).rejects.toThrow();
  });
}
