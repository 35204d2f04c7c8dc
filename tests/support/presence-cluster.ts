import { createMemoryEmitter } from '../../shared/emitter/memory.ts';
import { newProcessId } from '../../shared/liveness/process-id.ts';
import { createPublisher, type Publisher } from '../../shared/messages/publisher.ts';
import { ClusteredPresence } from '../../shared/presence/clustered.ts';
import { Presence, type StoredPresence } from '../../shared/presence/presence.ts';
import { untilReady } from '../../shared/redis/connection.ts';
import type { DriverStatus } from '../../shared/schemas/driver-status.ts';
import { createMemorySessionStore } from '../../shared/session-store/memory.ts';
import type { LogLevel } from '../../shared/telemetry/levels.ts';
import { createLogger } from '../../shared/telemetry/log.ts';
import { newPrefix, testRedis } from './redis.ts';

export const times = {
  graceMs: 300,
  staleAfterMs: 60_000,
  leaseMs: 1200,
  refreshMs: 160,
  sweepMs: 30,
  collectMs: 10,
};

/** What the database holds of drivers: as the statement has it, an older time changes nothing. */
class StoredStatuses {
  readonly rows = new Map<string, { status: DriverStatus; at: number }>();
  away = false;
  saves = 0;
  /** ms that each save takes. */
  slow = 0;

  async save(driverId: string, status: DriverStatus, at: number): Promise<void> {
    if (this.slow > 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * this.slow));
    if (this.away) throw new Error('the database is away');
    this.saves++;
    const known = this.rows.get(driverId);
    if (known === undefined || known.at <= at) this.rows.set(driverId, { status, at });
  }
}

export type TestProcess = { presence: ClusteredPresence; crash(): void };

/** Processes that share a database, a Redis and the subscribers, and what these are told. */
export class PresenceCluster {
  readonly prefix = newPrefix();
  readonly stored = new StoredStatuses();
  readonly told = new Map<string, DriverStatus[]>();
  /** What stands in the database before the first start. */
  before: StoredPresence[] = [];
  private readonly emitter = createMemoryEmitter();
  private readonly store = createMemorySessionStore(1000);
  private readonly ends: (() => Promise<void> | void)[] = [];

  constructor() {
    this.emitter.on('drivers/+/status', ({ payload }, done) => {
      const { driverId, status } = JSON.parse(payload.toString()) as {
        driverId: string;
        status: DriverStatus;
      };
      this.told.set(driverId, [...(this.told.get(driverId) ?? []), status]);
      done();
    });
  }

  private common() {
    return {
      publisher: createPublisher(this.emitter, this.store),
      save: (driverId: string, status: DriverStatus, at: number) => this.stored.save(driverId, status, at),
      log: createLogger((process.env.TEST_LOG as LogLevel | undefined) ?? 'silent'),
    };
  }

  /** `gate`: what this process tells goes out only when it has settled. */
  async process(
    url?: string,
    { gate, ...other }: Partial<typeof times> & { tellMs?: number; gate?: Promise<void> } = {},
  ): Promise<TestProcess> {
    const common = this.common();
    const publisher: Publisher = {
      ...common.publisher,
      async notify(message) {
        await gate;
        await common.publisher.notify(message);
      },
    };
    const redis = testRedis(this.prefix, url);
    const presence = await ClusteredPresence.start({
      ...common,
      publisher,
      ...times,
      ...other,
      redis,
      liveness: { processId: newProcessId() },
      stored: async () => {
        if (this.stored.away) throw new Error('the database is away');
        return this.before;
      },
    });
    const stop = async () => {
      await presence.stop();
      redis.close();
    };
    this.ends.push(stop);
    // Nothing that it sends arrives any more, and nothing that it is told
    const crash = () => {
      redis.close();
      this.ends.splice(this.ends.indexOf(stop), 1);
      void presence.stop();
    };
    return { presence, crash };
  }

  /** One that is alone, for comparison. */
  alone(): Presence {
    const presence = new Presence({ ...this.common(), ...times });
    this.ends.push(() => presence.stop());
    return presence;
  }

  /** What was told last of a driver, and what is stored: they are to say the same. */
  of(driverId: string): { told: DriverStatus | undefined; stored: DriverStatus | undefined } {
    return { told: this.told.get(driverId)?.at(-1), stored: this.stored.rows.get(driverId)?.status };
  }

  toldOf(driverId: string): DriverStatus[] {
    return this.told.get(driverId) ?? [];
  }

  /** The status that is retained for whoever subscribes later. */
  async retainedOf(driverId: string): Promise<DriverStatus | undefined> {
    const store = this.store as unknown as {
      createRetainedStream(topic: string): AsyncIterable<{ payload: Buffer }>;
    };
    for await (const { payload } of store.createRetainedStream(`drivers/${driverId}/status`))
      return (JSON.parse(payload.toString()) as { status: DriverStatus }).status;
    return undefined;
  }

  async end(): Promise<void> {
    for (const end of this.ends.splice(0).reverse()) await end();
  }

  /** Drivers of whom Redis knows anything. */
  async recordsLeft(): Promise<number> {
    const redis = testRedis(this.prefix);
    const reader = redis.connect('reader');
    try {
      await untilReady(reader, 5000);
      let count = 0;
      for (const key of await reader.keys(`${this.prefix}*`)) {
        const type = await reader.type(key);
        if (type === 'hash') count += await reader.hlen(key);
        if (type === 'zset') count += await reader.zcard(key);
      }
      return count;
    } finally {
      redis.close();
    }
  }
}
