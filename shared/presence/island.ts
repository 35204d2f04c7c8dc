import type { DriverStatus, ReportedStatus } from '../schemas/driver-status.ts';
import type { DriversHere } from './here.ts';
import { Presence, type PresenceOptions } from './presence.ts';
import type { Step } from './shared-records.ts';

/** What happened to a driver meanwhile. Times: epoch ms; onTripAt by the database's clock. */
type Change = { saidAt?: number; onTripAt?: number; seenAt?: number; isClosed?: boolean };

/**
 * Presence while Redis is away: of the drivers that are connected here, or are heard of, by what this process knows. What happened is
 * kept as one change for each driver, for the time when Redis is back.
 */
export class Island {
  private readonly presence: Presence;
  private changes = new Map<string, Change>();
  private readonly here: DriversHere;

  constructor(here: DriversHere, options: PresenceOptions) {
    this.here = here;
    this.presence = new Presence(options);
    for (const [driverId, record] of [...here.records()]) {
      this.presence.adopt(driverId, record);
      // Closed just before, and perhaps nobody else knows
      if (record.connections === 0) this.changed(driverId, { isClosed: true });
      here.forgetGone(driverId);
    }
  }

  report(driverId: string, status: ReportedStatus, at: number): Promise<DriverStatus> {
    this.changed(driverId, { saidAt: at });
    return this.presence.report(driverId, status, at);
  }

  async lastWill(driverId: string, status: ReportedStatus, at: number): Promise<void> {
    if (this.here.connectionsOf(driverId) > 1) return;
    this.changed(driverId, { saidAt: at });
    await this.presence.lastWill(driverId, status, at);
  }

  connected(driverId: string): void {
    this.changed(driverId, { isClosed: false });
    this.presence.connected(driverId);
  }

  disconnected(driverId: string): void {
    if (this.here.connectionsOf(driverId) === 0) this.changed(driverId, { isClosed: true });
    this.here.forgetGone(driverId);
    this.presence.disconnected(driverId);
  }

  seen(driverId: string, at: number): void {
    this.changed(driverId, { seenAt: at });
    // What a driver counts as that was never heard of here is not known here
    if (this.presence.find(driverId) !== undefined) this.presence.seen(driverId, at);
  }

  setOnTrip(driverId: string, onTrip: boolean, at: number): void {
    this.changed(driverId, { onTripAt: at });
    this.presence.setOnTrip(driverId, onTrip);
  }

  /** Brings Redis up to date: what it rejects is kept. Whatever happens meanwhile is there to be given next time. */
  async give(take: (steps: Step[]) => Promise<void>): Promise<void> {
    const given = this.changes;
    this.changes = new Map();
    try {
      await take([...given].map(([driverId, change]) => this.stepOf(driverId, change)));
    } catch (error) {
      const since = this.changes;
      this.changes = given;
      for (const [driverId, change] of since) this.changed(driverId, change);
      throw error;
    }
  }

  get hasChanges(): boolean {
    return this.changes.size > 0;
  }

  stop(): void {
    this.presence.stop();
  }

  private changed(driverId: string, change: Change): void {
    this.changes.set(driverId, { ...this.changes.get(driverId), ...change });
  }

  private stepOf(driverId: string, { saidAt, onTripAt, seenAt, isClosed }: Change): Step {
    const now = Date.now();
    const record = this.presence.find(driverId);
    const heardAt = Math.max(seenAt ?? 0, saidAt ?? 0);
    const connections = this.here.connectionsOf(driverId);
    const isClosedNow = isClosed === true && connections === 0;
    return {
      e: 'merge',
      d: driverId,
      n: connections,
      closed: isClosedNow,
      w: this.here.willOf(driverId),
      ...(saidAt === undefined || record?.reported === undefined
        ? {}
        : { r: record.reported, ra: now - saidAt }),
      ...(record?.lost === true ? { l: true } : {}),
      ...(onTripAt === undefined ? {} : { t: record?.onTrip ?? false, ta: onTripAt }),
      ...(heardAt === 0 ? {} : { s: Math.max(0, now - heardAt) }),
      a: now,
    };
  }
}
