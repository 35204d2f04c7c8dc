import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Client } from 'pg';
import type { PlatformCluster } from '../platform-cluster.ts';
import { Dispatch } from './dispatch.ts';
import { ChaosDriver } from './driver.ts';
import type { Random } from './random.ts';
import { ChaosRider } from './rider.ts';

export type LoadOptions = {
  /** Of its drivers, riders and trips. */
  name: string;
  pairs: number;
  /** The trips move on at random times within it (ms). */
  spanMs: number;
  /** All are under way the whole time: riders see their drivers. */
  underWay?: boolean;
  /** Riders begin on the broker of their driver, not on another one. */
  sameBroker?: boolean;
  random: Random;
};

export type Account = {
  sent: number;
  acknowledged: number;
  stored: number;
  doubled: number;
  /** Acknowledged and not stored. */
  lost: number;
  /** Stored and never sent. */
  invented: number;
};

const STEPS = ['EN_ROUTE', 'ARRIVED', 'IN_PROGRESS', 'COMPLETED'] as const;
/** PENDING is the first. */
export const LAST_VERSION = STEPS.length + 1;

/** Drivers that publish, each on a trip that a rider on another broker follows. Half of the trips move on over MQTT, half over REST. */
export class Load {
  readonly drivers: ChaosDriver[] = [];
  readonly riders: ChaosRider[] = [];
  readonly dispatch: Dispatch;
  private readonly trips: Promise<void>[] = [];
  private readonly delay = monitorEventLoopDelay({ resolution: 10 });
  private readonly cluster: PlatformCluster;
  private readonly options: LoadOptions;

  private constructor(cluster: PlatformCluster, dispatch: Dispatch, options: LoadOptions) {
    this.cluster = cluster;
    this.dispatch = dispatch;
    this.options = options;
    this.delay.enable();
  }

  /** How late (ms) a timer of the clients came at worst: how busy the machine is. */
  get latestTimerMs(): number {
    return this.delay.max / 1e6;
  }

  static async start(cluster: PlatformCluster, options: LoadOptions): Promise<Load> {
    const load = new Load(cluster, await Dispatch.open(cluster.apis), options);
    await Promise.all(Array.from({ length: options.pairs }, (_, index) => load.addPair(index)));
    if (options.underWay)
      await until('every rider sees its driver', () =>
        load.riders.filter(({ places }) => places.every(({ retain }) => retain)).map(({ tripId }) => tripId),
      );
    return load;
  }

  /** Nobody drives on; all trips come to their end, all that was sent is acknowledged, and told. */
  async settle(): Promise<void> {
    for (const driver of this.drivers) driver.park();
    await Promise.all(this.trips);
    await until('everything is acknowledged', () =>
      this.drivers
        .filter(({ unacknowledged }) => unacknowledged > 0)
        .map(({ id, unacknowledged }) => [id, unacknowledged]),
    );
    await until('every rider knows of the end of its trip', () =>
      this.riders
        .filter(({ newest }) => newest < LAST_VERSION)
        .map(({ tripId, statuses }) => [tripId, statuses]),
    );
  }

  /** When all that was acknowledged is stored, or does not come any more. */
  async account(): Promise<Account> {
    const database = new Client({ connectionString: this.cluster.databaseUrl });
    await database.connect();
    try {
      let account = await this.count(database);
      for (let left = 100; account.lost > 0 && left > 0; left--) {
        await new Promise((resolve) => setTimeout(resolve, 200));
        account = await this.count(database);
      }
      return account;
    } finally {
      await database.end();
    }
  }

  async end(): Promise<void> {
    this.delay.disable();
    await Promise.all([...this.drivers, ...this.riders].map((client) => client.end()));
  }

  private async addPair(index: number): Promise<void> {
    const { name, random, spanMs, underWay = false, sameBroker = false } = this.options;
    const { brokers } = this.cluster;
    const times = STEPS.map(() => random() * spanMs).sort((a, b) => a - b);
    if (underWay) times.splice(0, times.length, 0, ...times.slice(1, -1), spanMs);
    const driverId = `${name}-d${index}`;
    const tripId = await this.dispatch.book(driverId, `${name}-r${index}`);
    this.riders.push(
      await ChaosRider.start(`${name}-r${index}`, tripId, brokers, sameBroker ? index : index + 1),
    );
    const driver = await ChaosDriver.start(driverId, brokers, index);
    this.drivers.push(driver);
    const startedAt = Date.now();
    const drive = async () => {
      for (const [step, status] of STEPS.entries()) {
        const wait = startedAt + (times[step] ?? 0) - Date.now();
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
        // Of two neighbours, since drivers and their kinds of session alternate
        if (index % 4 < 2) await driver.move(tripId, status);
        else await this.dispatch.move(tripId, status);
      }
    };
    const trip = drive();
    // It is settle that fails with it
    trip.catch(() => undefined);
    this.trips.push(trip);
  }

  private async count(database: Client): Promise<Account> {
    const { rows } = await database.query<{ driver_id: string; at: string }>(
      `select driver_id, (extract(epoch from recorded_at) * 1000)::bigint as at
         from location_history where driver_id = any($1)`,
      [this.drivers.map(({ id }) => id)],
    );
    const nameOf = (driverId: string, at: number | string) => `${driverId} ${at}`;
    const stored = new Set(rows.map(({ driver_id, at }) => nameOf(driver_id, at)));
    const sent = new Set(this.drivers.flatMap(({ id, sent }) => sent.map((at) => nameOf(id, at))));
    const acknowledged = this.drivers.flatMap(({ id, acknowledged }) =>
      [...acknowledged].map((at) => nameOf(id, at)),
    );
    return {
      sent: sent.size,
      acknowledged: acknowledged.length,
      stored: stored.size,
      doubled: rows.length - stored.size,
      lost: acknowledged.filter((name) => !stored.has(name)).length,
      invented: [...stored].filter((name) => !sent.has(name)).length,
    };
  }
}

/** So long that a busy machine is in time, and one that never will be is told of. */
const AT_LAST_MS = 60_000;

/** Until nothing of it is left open. */
export async function until(what: string, open: () => unknown[]): Promise<void> {
  const end = Date.now() + AT_LAST_MS;
  for (;;) {
    const left = open();
    if (left.length === 0) return;
    if (Date.now() > end) throw new Error(`not so: ${what}; ${JSON.stringify(left)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
