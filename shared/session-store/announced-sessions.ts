import createPersistence from 'aedes-persistence-redis';
import type { EmittedMessage, Emitter } from '../emitter/index.ts';
import type { RedisConnection } from '../redis/connection.ts';

/** Where brokers tell each other of subscriptions that are stored. */
const ANNOUNCED = '$SYS/sub/+';
const ADDED = '$SYS/sub/add';
const REMOVED = '$SYS/sub/rm';
const GONE = '$SYS/sub/gone';

type Announcement = { topic: string; payload: Buffer };

/**
 * One reading of all stored subscriptions, kept up to date by what is announced. aedes-persistence-redis reads first and listens then:
 * what is announced meanwhile is kept for it.
 */
class Reading {
  readonly persistence: createPersistence.Persistence;
  /** Sessions that are stored; those that have gone may still be among them. */
  readonly known = new Set<string>();
  private readonly early: Announcement[] = [];
  private readonly redis: RedisConnection;
  private hear: createPersistence.Listener = (packet, done) => {
    this.early.push(packet);
    done();
  };

  constructor(redis: RedisConnection) {
    this.redis = redis;
    this.persistence = createPersistence({ conn: redis });
  }

  async load(announce: (announcement: Announcement, by: Reading, done: (error?: Error) => void) => void) {
    await this.persistence.setup({
      publish: ({ topic, payload }, done) => announce({ topic, payload: Buffer.from(payload) }, this, done),
      subscribe: (_, listener, done) => {
        this.hear = listener;
        done();
      },
    });
    for (const id of await this.redis.smembers('clients')) this.known.add(id);
    for (const announcement of this.early.splice(0)) this.take(announcement);
  }

  take(announcement: Announcement): void {
    const { clientId } = JSON.parse(announcement.payload.toString()) as { clientId: string };
    if (announcement.topic === ADDED) this.known.add(clientId);
    if (announcement.topic === GONE) this.known.delete(clientId);
    this.hear(announcement, () => undefined);
  }
}

/**
 * The stored subscriptions of the whole cluster, in every process: that of aedes-persistence-redis, which needs a broker only for its
 * announcements, so the emitter will do. It is read anew when some may have been missed.
 */
export class AnnouncedSessions {
  private readonly redis: RedisConnection;
  private readonly emitter: Emitter;
  private reading: Reading | undefined;
  /** The next one, being read. */
  private next: Reading | undefined;
  private readonly brokerId = 'sessions';

  constructor(redis: RedisConnection, emitter: Emitter) {
    this.redis = redis;
    this.emitter = emitter;
    emitter.on(ANNOUNCED, this.listener);
  }

  get current(): Reading | undefined {
    return this.reading;
  }

  isKnown(clientId: string): boolean | undefined {
    return this.reading?.known.has(clientId);
  }

  /** Rejects when Redis does not answer; what was known goes on then. */
  async load(): Promise<void> {
    const next = new Reading(this.redis);
    this.next = next;
    try {
      await next.load((announcement, by, done) => this.announce(announcement, by, done));
      if (this.next === next) this.reading = next;
    } finally {
      if (this.next === next) this.next = undefined;
    }
  }

  /** A session is stored no more. */
  announceGone(clientId: string, filters: readonly string[]): void {
    const tell = (topic: string, subs: object[]) => {
      const payload = Buffer.from(JSON.stringify({ clientId, subs }));
      this.announce({ topic, payload }, undefined, () => undefined);
    };
    if (filters.length > 0)
      tell(
        REMOVED,
        filters.map((topic) => ({ topic })),
      );
    tell(GONE, []);
  }

  stop(): void {
    this.emitter.removeListener(ANNOUNCED, this.listener);
  }

  private readonly listener = (message: EmittedMessage, done: () => void) => {
    for (const reading of [this.reading, this.next]) reading?.take(message);
    done();
  };

  private announce(
    { topic, payload }: Announcement,
    by: Reading | undefined,
    done: (error?: Error) => void,
  ): void {
    // It waits for what it has announced itself, also when another one has taken its place
    if (by !== undefined && by !== this.reading && by !== this.next) by.take({ topic, payload });
    const { brokerId } = this;
    this.emitter.emit(
      { cmd: 'publish', topic, payload, qos: 0, retain: false, brokerId, brokerCounter: 0 },
      done,
    );
  }
}
