import { createRedisSessionStore } from '../../shared/session-store/redis.ts';
import { createLogger } from '../../shared/telemetry/log.ts';
import { TestCluster } from '../support/cluster.ts';
import { describeSessionQueues } from '../support/session-queues.ts';

describeSessionQueues(async (onDropped) => {
  const cluster = new TestCluster();
  const { connections, emitter } = await cluster.node();
  const store = createRedisSessionStore({
    maxQueued: 1000,
    connections,
    emitter,
    log: createLogger('silent'),
    onDropped,
  });
  if (!(await store.loaded(5000))) throw new Error('not loaded');
  return {
    store,
    close: async () => {
      await store.destroy();
      await cluster.stop();
    },
  };
});
