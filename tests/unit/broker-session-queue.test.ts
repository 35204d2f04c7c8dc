import { createMemorySessionStore } from '../../shared/session-store/memory.ts';
import { describeSessionQueues } from '../support/session-queues.ts';

describeSessionQueues(async (onDropped) => ({
  store: createMemorySessionStore(1000, onDropped),
  close: async () => undefined,
}));
