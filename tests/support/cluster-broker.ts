import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import { FleetBroker } from '../../broker/fleet-broker.ts';
import { repairQueues } from '../../broker/session-queue.ts';
import { createPublisher, type Publisher } from '../../shared/messages/publisher.ts';
import {
  createRedisSessionStore,
  type RedisSessionStore,
  type RedisSessionStoreOptions,
} from '../../shared/session-store/redis.ts';
import { createLogger } from '../../shared/telemetry/log.ts';
import type { TestCluster, TestNode } from './cluster.ts';

export type StoreNode = TestNode & { store: RedisSessionStore; publisher: Publisher; queuesFull: number };

/** A process that has no broker: it publishes. */
export async function storeNode(
  cluster: TestCluster,
  options: Partial<RedisSessionStoreOptions> = {},
  { waits = true } = {},
): Promise<StoreNode> {
  const node = (await cluster.node({}, { waits })) as StoreNode;
  node.queuesFull = 0;
  node.store = createRedisSessionStore({
    maxQueued: 1000,
    connections: node.connections,
    emitter: node.emitter,
    log: createLogger('silent'),
    onDropped: () => {
      node.queuesFull++;
    },
    ...options,
  });
  node.publisher = createPublisher(node.emitter, node.store);
  cluster.atEnd(() => node.store.destroy());
  if (waits && !(await node.store.loaded(5000))) throw new Error('the sessions were not loaded');
  return node;
}

export type BrokerNode = StoreNode & {
  broker: FleetBroker;
  port: number;
  /** Ends of clients that the broker itself brought about. */
  errors: Error[];
  client(options?: IClientOptions): Promise<MqttClient>;
};

/** Aedes with our repairs, on the store and the emitter of a cluster, without identities and trips. */
export async function brokerNode(
  cluster: TestCluster,
  options: Partial<RedisSessionStoreOptions> = {},
): Promise<BrokerNode> {
  const node = (await storeNode(cluster, options)) as BrokerNode;
  repairQueues(node.store);
  node.broker = await FleetBroker.start({ mq: node.emitter, persistence: node.store });
  node.errors = [];
  node.broker.on('clientError', (_, error) => node.errors.push(error));
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    node.broker.handle(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  node.port = (server.address() as AddressInfo).port;
  const clients: MqttClient[] = [];
  node.client = async (clientOptions = {}) => {
    const url = `mqtt://127.0.0.1:${node.port}`;
    const client = await connectAsync(url, { reconnectPeriod: 0, ...clientOptions }, false);
    clients.push(client);
    return client;
  };
  cluster.atEnd(async () => {
    for (const client of clients) client.end(true);
    for (const socket of sockets) socket.destroy();
    server.close();
    await new Promise<void>((resolve) => node.broker.close(resolve));
  });
  return node;
}
