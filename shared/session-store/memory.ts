import { Readable } from 'node:stream';
import persistence from 'aedes-persistence';
import type { EmittedMessage } from '../emitter/index.ts';
import { matchEmptyLevels } from './empty-levels.ts';
import type { QueuedPacket, SessionStore, StoredSubscription } from './index.ts';
import { MemoryIncoming } from './memory-incoming.ts';
import { MemoryRetained } from './memory-retained.ts';

/**
 * aedes-persistence, for one process and gone with it, with a bound on every queue. `maxQueued`: messages that wait for
 * one session. `onDropped`: it has more.
 */
export function createMemorySessionStore(
  maxQueued: number,
  onDropped: () => void = () => undefined,
): SessionStore {
  const store = (persistence as unknown as () => SessionStore)();
  const enqueue = store.outgoingEnqueue.bind(store);
  const enqueueCombi = store.outgoingEnqueueCombi.bind(store);
  const update = store.outgoingUpdate.bind(store);
  const clear = store.outgoingClearMessageId.bind(store);
  const incoming = new MemoryIncoming();
  const queued = new Map<string, number>();

  const count = (id: string, change: 1 | -1) => {
    const after = (queued.get(id) ?? 0) + change;
    if (after > 0) queued.set(id, after);
    else queued.delete(id);
  };

  async function takeOut(client: { id: string }, packet: QueuedPacket): Promise<unknown> {
    // A clean session has no queue, and an acknowledgement of one would leave an empty one behind for ever
    if (!queued.has(client.id)) return undefined;
    const taken = await clear(client, packet);
    if (taken !== undefined) count(client.id, -1);
    return taken;
  }

  async function hasRoom(id: string): Promise<boolean> {
    if ((queued.get(id) ?? 0) < maxQueued) return true;
    onDropped();
    // The oldest that was not sent: it has no id yet
    return (await takeOut({ id }, { messageId: undefined })) !== undefined;
  }

  store.outgoingEnqueue = async (subscription, message) => {
    if (!(await hasRoom(subscription.clientId))) throw new Error('the queue of this session is full');
    count(subscription.clientId, 1);
    await enqueue(subscription, message);
  };

  store.outgoingEnqueueCombi = async (subscriptions, message) => {
    const withRoom: StoredSubscription[] = [];
    for (const subscription of subscriptions) {
      if (!(await hasRoom(subscription.clientId))) continue;
      count(subscription.clientId, 1);
      withRoom.push(subscription);
    }
    if (withRoom.length > 0) await enqueueCombi(withRoom, message);
  };

  store.outgoingUpdate = (client, packet) => update(client, packet.cmd === 'pubrel' ? named(packet) : packet);
  store.outgoingClearMessageId = takeOut;
  store.incomingStorePacket = async (client, packet) => incoming.store(client, packet);
  store.incomingGetPacket = async (client, packet) => incoming.get(client, packet);
  store.incomingDelPacket = async (client, packet) => incoming.delete(client, packet);
  store.cleanIncoming = async (client) => incoming.forget(client);
  matchEmptyLevels(store);
  const retained = new MemoryRetained();
  return Object.assign(store, {
    storeRetained: async (message: EmittedMessage) => retained.store(message),
    createRetainedStream: (filter: string) => Readable.from(retained.matching([filter])),
    createRetainedStreamCombi: (filters: string[]) => Readable.from(retained.matching(filters)),
  });
}

/**
 * A PUBREL that takes the place of its PUBLISH in the queue. It has no sender, so all of them would be taken for the same one, and
 * what they stand for would be sent again.
 */
const named = ({ messageId }: QueuedPacket) => ({
  cmd: 'pubrel',
  messageId,
  brokerId: `pubrel ${messageId}`,
  brokerCounter: 1,
});
