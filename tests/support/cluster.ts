import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import {
  type ClusterEmitter,
  type ClusterEmitterOptions,
  createClusterEmitter,
} from '../../shared/emitter/cluster.ts';
import type { EmittedMessage, Emitter } from '../../shared/emitter/index.ts';
import { RedisConnections } from '../../shared/redis/connections.ts';
import { createLogger } from '../../shared/telemetry/log.ts';
import { type CuttableProxy, startCuttableProxy } from './cuttable-proxy.ts';

export type TestNode = {
  connections: RedisConnections;
  emitter: ClusterEmitter;
  /** Between this node and Redis. */
  network: CuttableProxy;
  /** How often it was told of a gap. */
  gaps: number;
  dropped: number;
  /** As kill -9 ends it: without a word to the others. */
  die(): void;
};

const COMMAND_TIMEOUT_MS = 20_000;

/** Nodes of one deployment, each with a way of its own to the Redis of the tests. */
export class TestCluster {
  readonly prefix = `test-${randomUUID()}`;
  readonly redisUrl = process.env.TEST_REDIS_URL ?? '';
  /** A connection beside those of the nodes. */
  readonly redis = new Redis(this.redisUrl, { disconnectTimeout: 200 });
  private readonly nodes: TestNode[] = [];
  private readonly endings: (() => Promise<unknown>)[] = [];

  /** The last one first. */
  atEnd(end: () => Promise<unknown>): void {
    this.endings.unshift(end);
  }

  /** Every key that this deployment has. */
  async keys(): Promise<string[]> {
    return (await this.redis.keys(`${this.prefix}*`)).map((key) => key.slice(this.prefix.length)).toSorted();
  }

  async node(options: Partial<ClusterEmitterOptions> = {}, { waits = true } = {}): Promise<TestNode> {
    const network = await startCuttableProxy(this.redisUrl);
    const log = createLogger('silent');
    // What is slow here is the machine that runs all tests at once: a command that gave up would leave out what a test looks for
    const connections = new RedisConnections(network.url, this.prefix, log, COMMAND_TIMEOUT_MS);
    const node: TestNode = {
      connections,
      network,
      gaps: 0,
      dropped: 0,
      die: () => connections.close(),
      emitter: createClusterEmitter({
        connections,
        log,
        onDropped: (count) => {
          node.dropped += count;
        },
        heartbeatMs: 200,
        expiryMs: 1000,
        ...options,
      }),
    };
    node.emitter.onGap(() => {
      node.gaps++;
    });
    this.nodes.push(node);
    if (waits && !(await node.emitter.joined(5000))) throw new Error('could not join');
    return node;
  }

  async stop(): Promise<void> {
    for (const end of this.endings) await end();
    for (const { emitter, connections, network } of this.nodes) {
      await new Promise<void>((resolve) => void emitter.close(resolve));
      connections.close();
      await network.cut();
    }
    this.redis.disconnect();
  }
}

let counter = 0;

/** A message as a publisher sends it. */
export const messageOf = (
  topic: string,
  text: string | Buffer = 'x',
  qos: 0 | 1 | 2 = 0,
): EmittedMessage => ({
  cmd: 'publish',
  topic,
  payload: Buffer.from(text),
  qos,
  retain: false,
  brokerId: 'tests',
  brokerCounter: ++counter,
});

/** Listens, and collects what comes. Resolves when the other nodes were told. */
export async function collect(emitter: Emitter, filter: string): Promise<EmittedMessage[]> {
  const received: EmittedMessage[] = [];
  await new Promise<void>((resolve) => {
    emitter.on(
      filter,
      (message, done) => {
        received.push(message);
        done();
      },
      resolve,
    );
  });
  return received;
}

export const textsOf = (messages: readonly EmittedMessage[]) =>
  messages.map(({ payload }) => payload.toString());

/** Until it is so; fails with what is instead. */
export async function until<T>(
  read: () => T | Promise<T>,
  isSo: (value: T) => boolean,
  ms = 20_000,
): Promise<T> {
  const limit = Date.now() + ms;
  for (;;) {
    const value = await read();
    if (isSo(value)) return value;
    if (Date.now() > limit) throw new Error(`still ${JSON.stringify(value)?.slice(0, 1000)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
