import { publishDriverStatus } from '../messages/driver-status.ts';
import type { Publisher } from '../messages/publisher.ts';
import type { DriverStatus, ReportedStatus } from '../schemas/driver-status.ts';
import type { Logger } from '../telemetry/log.ts';
import { KeyedQueue } from '../trips/keyed-queue.ts';
import { type DriverRecord, effectiveStatus, newRecord } from './driver-record.ts';
import type { DriverPresence } from './index.ts';

export type PresenceOptions = {
  publisher: Publisher;
  /** Stores what a driver counts as; settles when it is durable. */
  save(driverId: string, status: DriverStatus, at: number): Promise<void>;
  /** ms after the last connection has closed. */
  graceMs: number;
  /** ms without a position after which a driver without a connection (REST, device doors) counts as lost. */
  staleAfterMs: number;
  log: Logger;
};

const SWEEP_EVERY_MS = 30_000;
/** What could not be stored is tried again: nobody else would. About as long as a database takes to come back. */
const RETRY_MS = 2000;

/** What was stored of a driver before a restart. Times: epoch ms. */
export type StoredPresence = {
  driverId: string;
  status: DriverStatus;
  at: number;
  seenAt: number;
  /** Whether it is on a trip by what is known of trips: its status may be older. */
  onTrip: boolean;
};

/** Presence of the drivers of one process. */
export class Presence implements DriverPresence {
  private readonly drivers = new Map<string, DriverRecord>();
  private readonly graceTimers = new Map<string, NodeJS.Timeout>();
  private readonly retryTimers = new Map<string, NodeJS.Timeout>();
  private readonly queue = new KeyedQueue();
  private readonly sweepTimer: NodeJS.Timeout;
  private readonly options: PresenceOptions;

  constructor(options: PresenceOptions) {
    this.options = options;
    this.sweepTimer = setInterval(() => this.sweep(Date.now()), SWEEP_EVERY_MS);
    this.sweepTimer.unref();
  }

  /**
   * Takes up what was stored before a restart, and retains it again. The restart has closed every connection: whoever is not
   * back, or heard of, after the grace time is lost.
   */
  async restore(stored: readonly StoredPresence[]): Promise<void> {
    for (const { driverId, status, at, seenAt, onTrip } of stored) {
      await publishDriverStatus(this.options.publisher, driverId, status, at);
      if (status === 'OFFLINE' && !onTrip) continue;
      const record = this.recordOf(driverId);
      record.reported = status === 'ON_TRIP' || status === 'OFFLINE' ? undefined : status;
      record.lost = status === 'OFFLINE';
      record.onTrip = onTrip;
      record.seenAt = seenAt;
      record.published = status;
      this.publishIfChanged(driverId, record);
      this.startGrace(driverId, record);
    }
  }

  report(driverId: string, status: ReportedStatus, at: number): Promise<DriverStatus> {
    const record = this.recordOf(driverId);
    record.reported = status;
    record.lost = false;
    record.seenAt = Math.max(record.seenAt, at);
    // Also a status that changes nothing goes out: it was published
    return this.publish(driverId, record, at);
  }

  async lastWill(driverId: string, status: ReportedStatus, at: number): Promise<void> {
    const record = this.recordOf(driverId);
    // The connection that is being lost is still counted
    if (record.connections > 1) return;
    if (status !== 'OFFLINE') record.reported = status;
    record.lost = status === 'OFFLINE';
    await this.publish(driverId, record, at);
  }

  connected(driverId: string): void {
    const record = this.recordOf(driverId);
    record.connections++;
    clearTimeout(this.graceTimers.get(driverId));
    this.graceTimers.delete(driverId);
    if (record.lost) this.setLost(driverId, record, false);
  }

  disconnected(driverId: string): void {
    const record = this.recordOf(driverId);
    record.connections = Math.max(0, record.connections - 1);
    if (record.connections > 0) return;
    if (record.published === undefined) {
      // It only listened: nobody was told that it is there
      this.drivers.delete(driverId);
      return;
    }
    this.startGrace(driverId, record);
  }

  seen(driverId: string, at: number): void {
    const record = this.recordOf(driverId);
    record.seenAt = at;
    if (record.lost || record.published === undefined) this.setLost(driverId, record, false);
  }

  /** Takes over a driver as it was known elsewhere. One without a connection has just lost its last. */
  adopt(driverId: string, record: DriverRecord): void {
    this.drivers.set(driverId, record);
    if (record.connections === 0 && record.published !== undefined) this.startGrace(driverId, record);
  }

  /** What is known of a driver. undefined: nothing. */
  find(driverId: string): Readonly<DriverRecord> | undefined {
    return this.drivers.get(driverId);
  }

  /** A trip of this driver has become active, or has ended. */
  setOnTrip(driverId: string, onTrip: boolean): void {
    // A driver that is only named in a booking may never be heard of
    if (!onTrip && !this.drivers.has(driverId)) return;
    const record = this.recordOf(driverId);
    if (record.onTrip === onTrip) return;
    record.onTrip = onTrip;
    this.publishIfChanged(driverId, record);
  }

  stop(): void {
    clearInterval(this.sweepTimer);
    for (const timers of [this.graceTimers, this.retryTimers])
      for (const timer of timers.values()) clearTimeout(timer);
  }

  private recordOf(driverId: string): DriverRecord {
    const known = this.drivers.get(driverId);
    if (known !== undefined) return known;
    const record = newRecord();
    this.drivers.set(driverId, record);
    return record;
  }

  /** Its last connection has closed just now. Whoever is heard of after that, by whatever way, is not lost. */
  private startGrace(driverId: string, record: DriverRecord): void {
    const closedAt = Date.now();
    const timer = setTimeout(() => {
      this.graceTimers.delete(driverId);
      if (record.seenAt <= closedAt) this.setLost(driverId, record, true);
    }, this.options.graceMs);
    timer.unref();
    clearTimeout(this.graceTimers.get(driverId));
    this.graceTimers.set(driverId, timer);
  }

  private setLost(driverId: string, record: DriverRecord, lost: boolean): void {
    record.lost = lost;
    this.publishIfChanged(driverId, record);
  }

  private publishIfChanged(driverId: string, record: DriverRecord): void {
    if (effectiveStatus(record) === record.published) return;
    this.publish(driverId, record, Date.now()).catch((error: unknown) =>
      this.options.log.error({ err: error, driverId }, "a driver's status could not be stored; trying again"),
    );
  }

  private async publish(driverId: string, record: DriverRecord, at: number): Promise<DriverStatus> {
    record.published = effectiveStatus(record);
    try {
      return await this.queue.run(driverId, async () => {
        // What it counts as by now: changes that waited for each other end in the last one
        const status = effectiveStatus(record);
        // As of now, not of the message: that may have waited, and the database keeps to the newest
        await this.options.save(driverId, status, Date.now());
        await publishDriverStatus(this.options.publisher, driverId, status, at);
        return status;
      });
    } catch (error) {
      this.retryLater(driverId, record);
      throw error;
    }
  }

  private retryLater(driverId: string, record: DriverRecord): void {
    if (this.retryTimers.has(driverId)) return;
    const timer = setTimeout(() => {
      this.retryTimers.delete(driverId);
      record.published = undefined;
      this.publishIfChanged(driverId, record);
    }, RETRY_MS);
    timer.unref();
    this.retryTimers.set(driverId, timer);
  }

  private sweep(now: number): void {
    for (const [driverId, record] of this.drivers) {
      if (record.connections > 0 || record.onTrip) continue;
      if (this.graceTimers.has(driverId) || this.retryTimers.has(driverId)) continue;
      if (record.seenAt >= now - this.options.staleAfterMs) continue;
      if (effectiveStatus(record) !== 'OFFLINE') this.setLost(driverId, record, true);
      else this.drivers.delete(driverId);
    }
  }
}
