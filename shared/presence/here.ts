import { driverShard } from '../redis/driver-shards.ts';
import type { DriverStatus, ReportedStatus } from '../schemas/driver-status.ts';
import type { DriverRecord } from './driver-record.ts';
import type { Answer, Step } from './shared-records.ts';

/** A driver that is connected to this process. */
type DriverHere = {
  shard: number;
  /** Of each of its connections the will, in the order that they came. */
  wills: (ReportedStatus | undefined)[];
  /** Epoch ms; 0: not since it is connected. */
  seenAt: number;
  /** What all processes know of it, as of the last answer. */
  known: Known | undefined;
};

type Known = {
  version: number;
  reported: ReportedStatus | undefined;
  isLost: boolean;
  isOnTrip: boolean;
  published: DriverStatus | undefined;
};

/** The drivers that are connected to this process. What they count as is known here as well, for the time that Redis is away. */
export class DriversHere {
  private readonly drivers = new Map<string, DriverHere>();

  connected(driverId: string, will: ReportedStatus | undefined): void {
    const driver = this.drivers.get(driverId) ?? {
      shard: driverShard(driverId),
      wills: [],
      seenAt: 0,
      known: undefined,
    };
    driver.wills.push(will);
    this.drivers.set(driverId, driver);
  }

  disconnected(driverId: string, will: ReportedStatus | undefined): void {
    const driver = this.drivers.get(driverId);
    const index = driver?.wills.indexOf(will) ?? -1;
    if (index >= 0) driver?.wills.splice(index, 1);
  }

  /** Whoever has no connection any more is forgotten. */
  forgetGone(driverId: string): void {
    if (this.drivers.get(driverId)?.wills.length === 0) this.drivers.delete(driverId);
  }

  connectionsOf(driverId: string): number {
    return this.drivers.get(driverId)?.wills.length ?? 0;
  }

  /** The will that takes effect when this process is lost: that of its newest connection that has one. */
  willOf(driverId: string): ReportedStatus | undefined {
    return this.drivers.get(driverId)?.wills.findLast((will) => will !== undefined);
  }

  /** Whether that it was heard of is news to nobody. */
  seen(driverId: string, at: number): boolean {
    const driver = this.drivers.get(driverId);
    if (driver === undefined || driver.wills.length === 0) return false;
    driver.seenAt = at;
    return driver.known?.published !== undefined && !driver.known.isLost;
  }

  /** How long ago (ms) it was last heard of. undefined: not since it is connected. */
  ageOf(driverId: string): number | undefined {
    const seenAt = this.drivers.get(driverId)?.seenAt ?? 0;
    return seenAt === 0 ? undefined : Math.max(0, Date.now() - seenAt);
  }

  learn({ driverId, version, reported, isLost, isOnTrip, published }: Answer): void {
    const driver = this.drivers.get(driverId);
    if (driver !== undefined) driver.known = { version, reported, isLost, isOnTrip, published };
  }

  /** That each is still here, of the shards that are asked for. */
  *refreshSteps(includes: (shard: number) => boolean): Generator<Step> {
    for (const [driverId, { shard, wills, known }] of this.drivers) {
      if (wills.length === 0 || !includes(shard)) continue;
      yield {
        e: 'refresh',
        d: driverId,
        w: this.willOf(driverId),
        s: this.ageOf(driverId),
        v: known?.version,
        r: known?.reported,
        t: known?.isOnTrip,
        p: known?.published,
      };
    }
  }

  /** As a process alone keeps them. */
  *records(): Generator<[string, DriverRecord]> {
    for (const [driverId, { wills, seenAt, known }] of this.drivers)
      yield [
        driverId,
        {
          reported: known?.reported,
          lost: known?.isLost ?? false,
          onTrip: known?.isOnTrip ?? false,
          connections: wills.length,
          seenAt,
          published: known?.published,
        },
      ];
  }
}
