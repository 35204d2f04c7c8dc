import { expect, test } from '@jest/globals';
import { MemoryIncoming } from '../../shared/session-store/memory-incoming.ts';

const phone = { id: 'driver-1/phone' };
const isKnown = (incoming: MemoryIncoming, client: { id: string }, messageId: number) => {
  try {
    incoming.get(client, { messageId });
    return true;
  } catch {
    return false;
  }
};

test('a message is known until it is released, in its own session', () => {
  const incoming = new MemoryIncoming();
  incoming.store(phone, { messageId: 7 });
  incoming.store(phone, { messageId: 7 });
  expect(isKnown(incoming, phone, 7)).toBe(true);
  expect(isKnown(incoming, { id: 'driver-2/phone' }, 7)).toBe(false);
  incoming.delete(phone, { messageId: 7 });
  expect(isKnown(incoming, phone, 7)).toBe(false);
  expect(() => incoming.delete(phone, { messageId: 7 })).toThrow('no such packet');
});

test('a session that never releases any keeps the newest', () => {
  const incoming = new MemoryIncoming(3);
  for (let messageId = 1; messageId <= 5; messageId++) incoming.store(phone, { messageId });
  expect([1, 2, 3, 4, 5].filter((id) => isKnown(incoming, phone, id))).toEqual([3, 4, 5]);
});

test('of too many sessions the one is forgotten that was longest without a message', () => {
  const incoming = new MemoryIncoming(10, 3);
  const [first, second, third] = ['a', 'b', 'c'].map((id) => ({ id })) as [
    typeof phone,
    typeof phone,
    typeof phone,
  ];
  incoming.store(first, { messageId: 1 });
  incoming.store(second, { messageId: 1 });
  incoming.store(first, { messageId: 2 });
  incoming.store(third, { messageId: 1 });
  expect(isKnown(incoming, second, 1)).toBe(false);
  expect([1, 2].map((id) => isKnown(incoming, first, id))).toEqual([true, true]);
  expect(isKnown(incoming, third, 1)).toBe(true);
});

test('what was released, or has ended with its session, takes no room', () => {
  const incoming = new MemoryIncoming(10, 2);
  incoming.store(phone, { messageId: 1 });
  incoming.forget(phone);
  incoming.store(phone, { messageId: 2 });
  incoming.delete(phone, { messageId: 2 });
  for (const id of ['a', 'b']) incoming.store({ id }, { messageId: 1 });
  expect(['a', 'b'].map((id) => isKnown(incoming, { id }, 1))).toEqual([true, true]);
});
