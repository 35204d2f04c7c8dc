/** It brings no types. What we use of it. */
declare module 'aedes-persistence-redis' {
  import type { RedisConnection } from '../redis/connection.ts';

  type Subscription = { topic: string; qos: 0 | 1 | 2 };
  type Packet = { topic: string; payload: string };

  namespace createPersistence {
    /** What it asks of a broker: that it carries the announcements of subscriptions. */
    type Broker = {
      publish(packet: Packet, done: (error?: Error) => void): void;
      subscribe(topic: string, listener: Listener, done: () => void): void;
    };
    type Listener = (packet: { topic: string; payload: Buffer }, done: () => void) => void;
    type Persistence = {
      setup(broker: Broker): Promise<void>;
      addSubscriptions(client: { id: string }, subscriptions: object[]): Promise<unknown>;
      removeSubscriptions(client: { id: string }, filters: string[]): Promise<unknown>;
      subscriptionsByClient(client: { id: string }): Promise<Subscription[]>;
      subscriptionsByTopic(topic: string): Promise<(Subscription & { clientId: string })[]>;
    };
  }

  function createPersistence(options: { conn: RedisConnection }): createPersistence.Persistence;
  export = createPersistence;
}
