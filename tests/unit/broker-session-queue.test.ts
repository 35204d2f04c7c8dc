import { createMemorySessionStore } from '../../shared/session-store/memory.ts';
import { describeSessionQueues } from '../support/session-queues.ts';

describeSessionQueues(async (onDropped) => ({
  store: createMemorySessionStore(onDropped),
  close: async () => undefined,
}));
