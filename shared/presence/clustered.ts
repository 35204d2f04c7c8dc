import type { Liveness } from '../liveness/index.ts';
import type { RedisConnections } from '../redis/connections.ts';
import { DRIVER_SHARDS } from '../redis/driver-shards.ts';
import { Reach } from '../redis/reach.ts';
import type { DriverStatus, ReportedStatus } from '../schemas/driver-status.ts';
import { DriversHere } from './here.ts';
import type { DriverPresence } from './index.ts';
import { Island } from './island.ts';
import type { PresenceOptions, StoredPresence } from './presence.ts';
import { Restorer } from './restorer.ts';
import { type Answer, SharedRecords, type Step } from './shared-records.ts';
import { Sweeper } from './sweeper.ts';
import { Teller } from './teller.ts';

export type ClusteredPresenceOptions = PresenceOptions & {
  redis: RedisConnections;
  liveness: Pick<Liveness, 'processId'>;
  /** What the database has of all drivers: asked for when Redis has nothing. */
  stored(): Promise<readonly StoredPresence[]>;
  /** ms after which a process that has not been heard of has lost its drivers. Default: 25 s, since it is to show within 30. */
  leaseMs?: number;
  /** ms between two refreshes of a lease. Default: 8 s, so that two of them may fail. */
  refreshMs?: number;
  /** ms between two looks for what is over: leases, grace times. Default: 1 s. */
  sweepMs?: number;
  /** Longest (ms) that one process keeps a status for itself to tell. Default: 10 s, when the database has answered, or is away. */
  tellMs?: number;
  /** ms for which what was heard of drivers is collected. Default: 250. */
  collectMs?: number;
};

/** Longest that a stop waits for what is being stored and told. */
const LAST_WORDS_MS = 2000;

/**
 * Presence of the drivers of a cluster: what each counts as stands in Redis, where every process changes it by one step, and the one
 * that changes it tells it. A process holds its drivers by leases: when it dies, the others see them end. Without Redis each process
 * goes on for its own drivers.
 */
export class ClusteredPresence implements DriverPresence {
  private readonly here = new DriversHere();
  private heard = new Map<string, number>();
  private island: Island | undefined;
  private nextShard = 0;
  private timers: NodeJS.Timeout[] = [];
  private sweepTimer: NodeJS.Timeout | undefined;
  private readonly records: SharedRecords;
  private readonly teller: Teller;
  private readonly sweeper: Sweeper;
  private readonly reach: Reach;
  private readonly options: ClusteredPresenceOptions;

  private constructor(options: ClusteredPresenceOptions) {
    const { redis, liveness, graceMs, staleAfterMs, log } = options;
    const { leaseMs = 25_000, refreshMs = 8000, sweepMs = 1000, tellMs = 10_000 } = options;
    this.options = options;
    this.records = new SharedRecords(redis, liveness.processId, {
      grace: graceMs,
      stale: staleAfterMs,
      lease: leaseMs,
      refresh: refreshMs,
      tell: tellMs,
    });
    this.teller = new Teller(this.records, options);
    this.sweeper = new Sweeper({
      redis,
      records: this.records,
      teller: this.teller,
      restorer: new Restorer(redis, this.records, this.teller, options),
      everyMs: sweepMs,
      log,
    });
    this.reach = new Reach({ purpose: 'presence', reconcile: () => this.reconcile(), log });
  }

  private begin(): void {
    const { refreshMs = 8000, sweepMs = 1000, collectMs = 250 } = this.options;
    const every = (milliseconds: number, task: () => Promise<void>) =>
      setInterval(() => {
        if (this.island === undefined) task().catch((error: unknown) => this.goAlone(error));
      }, milliseconds).unref();
    this.timers = [
      every(Math.max(1, refreshMs / DRIVER_SHARDS), () => this.refreshNext()),
      every(collectMs, () => this.flush()),
    ];
    this.sweepIn(sweepMs);
  }

  /** Not at even times: else the one that swept first would be the first each time, and what it can't do would wait for ever. */
  private sweepIn(everyMs: number): void {
    this.sweepTimer = setTimeout(
      () => {
        if (this.island === undefined) this.sweeper.sweep().catch((error: unknown) => this.goAlone(error));
        this.sweepIn(everyMs);
      },
      everyMs * (0.9 + 0.4 * Math.random()),
    ).unref();
  }

  /** Resolves when Redis has what the database has, or is away: it gets it when it is back. */
  static async start(options: ClusteredPresenceOptions): Promise<ClusteredPresence> {
    const presence = new ClusteredPresence(options);
    await presence.sweeper.ready().catch((error: unknown) => presence.goAlone(error));
    presence.begin();
    return presence;
  }

  report(driverId: string, status: ReportedStatus, at: number): Promise<DriverStatus> {
    const now = Date.now();
    return this.change(
      { e: 'report', d: driverId, r: status, s: Math.max(0, now - at), m: at },
      (island) => island.report(driverId, status, at),
      ({ status: effective }) => effective,
    );
  }

  lastWill(driverId: string, status: ReportedStatus, at: number): Promise<void> {
    return this.change(
      { e: 'will', d: driverId, r: status, n: this.here.connectionsOf(driverId), m: at },
      (island) => island.lastWill(driverId, status, at),
      () => undefined,
    );
  }

  connected(driverId: string, will?: ReportedStatus): void {
    this.here.connected(driverId, will);
    if (this.island !== undefined) return this.island.connected(driverId);
    // Should Redis be away, whoever goes on without it finds the connection among those that are here
    this.inBackground(
      driverId,
      this.change({ e: 'connected', d: driverId, w: this.here.willOf(driverId) }, nothing, nothing),
    );
  }

  disconnected(driverId: string, will?: ReportedStatus): void {
    this.here.disconnected(driverId, will);
    if (this.island !== undefined) return this.island.disconnected(driverId);
    const step: Step = {
      e: 'disconnected',
      d: driverId,
      n: this.here.connectionsOf(driverId),
      w: this.here.willOf(driverId),
      s: this.here.ageOf(driverId),
    };
    this.inBackground(
      driverId,
      this.change(step, nothing, nothing).finally(() => this.here.forgetGone(driverId)),
    );
  }

  seen(driverId: string, at: number): void {
    if (this.island !== undefined) return this.island.seen(driverId, at);
    if (!this.here.seen(driverId, at)) this.heard.set(driverId, at);
  }

  /**
   * A trip of this driver has become active, or has ended, at `at` (epoch ms by the database's clock, so that it does not matter
   * which process is heard first). May be told more than once.
   */
  setOnTrip(driverId: string, onTrip: boolean, at: number): void {
    if (this.island !== undefined) return this.island.setOnTrip(driverId, onTrip, at);
    this.inBackground(
      driverId,
      this.change(
        { e: 'trip', d: driverId, t: onTrip, at },
        async (island) => island.setOnTrip(driverId, onTrip, at),
        () => undefined,
      ),
    );
  }

  /** What is being told is told. Its drivers are to be disconnected before. */
  async stop(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    clearTimeout(this.sweepTimer);
    const end = Date.now() + LAST_WORDS_MS;
    if (this.island === undefined) await this.flush();
    while (this.teller.busy > 0 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
    this.reach.stop();
    this.island?.stop();
  }

  /** One step in Redis, or what is done instead while it is away. */
  private async change<T>(
    step: Step,
    alone: (island: Island) => Promise<T>,
    result: (answer: Pick<Answer, 'status'>) => T,
  ): Promise<T> {
    if (this.island !== undefined) return alone(this.island);
    let answer: Answer | undefined;
    try {
      answer = await this.records.one(step);
    } catch (error) {
      return alone(this.goAlone(error));
    }
    if (answer === undefined) return result({ status: 'OFFLINE' });
    this.here.learn(answer);
    // What a driver said is stored before it is answered, whoever tells it
    if (answer.isMine || step.e === 'report' || step.e === 'will') await this.teller.tell(answer);
    return result(answer);
  }

  private inBackground(driverId: string, work: Promise<unknown>): void {
    work.catch((error: unknown) =>
      this.options.log.error({ err: error, driverId }, "a driver's status could not be stored; trying again"),
    );
  }

  private async flush(): Promise<void> {
    if (this.heard.size === 0) return;
    const { heard } = this;
    this.heard = new Map();
    const now = Date.now();
    try {
      const steps = [...heard].map(([d, at]): Step => ({ e: 'seen', d, s: Math.max(0, now - at) }));
      this.took(await this.records.many(steps));
    } catch (error) {
      const island = this.goAlone(error);
      for (const [driverId, at] of heard) island.seen(driverId, at);
    }
  }

  /** One shard at a time: thousands of leases at once would hold the process up. */
  private async refreshNext(): Promise<void> {
    const next = this.nextShard++ % DRIVER_SHARDS;
    await this.refresh((shard) => shard === next);
  }

  private async refresh(includes: (shard: number) => boolean): Promise<void> {
    this.took(await this.records.many([...this.here.refreshSteps(includes)]));
  }

  private took(answers: readonly Answer[]): void {
    for (const answer of answers) {
      this.here.learn(answer);
      if (answer.isMine) this.inBackground(answer.driverId, this.teller.tell(answer));
    }
  }

  private goAlone(error: unknown): Island {
    this.reach.lost(error);
    this.island ??= new Island(this.here, this.options);
    return this.island;
  }

  private async reconcile(): Promise<void> {
    const { island } = this;
    if (island === undefined) return;
    await this.sweeper.ready();
    do {
      await island.give(async (steps) => this.took(await this.records.many(steps)));
      await this.refresh(() => true);
    } while (island.hasChanges);
    // At once: whatever fails from now on finds Redis away anew
    island.stop();
    this.island = undefined;
    this.reach.found();
  }
}

const nothing = async () => undefined;
