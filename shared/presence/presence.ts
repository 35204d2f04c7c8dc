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

/** Presence of the drivers of one process. */
export class Presence implements DriverPresence {
  private readonly drivers = new Map<string, DriverRecord>();
  private readonly graceTimers = new Map<string, NodeJS.Timeout>();
  private readonly queue = new KeyedQueue();
  private readonly sweepTimer: NodeJS.Timeout;
  private readonly options: PresenceOptions;

  constructor(options: PresenceOptions) {
    this.options = options;
    this.sweepTimer = setInterval(() => this.sweep(Date.now()), SWEEP_EVERY_MS);
    this.sweepTimer.unref();
  }

  /** Takes up what was stored before a restart, and retains it again. */
  async restore(
    stored: readonly { driverId: string; status: DriverStatus; at: number; seenAt: number }[],
  ): Promise<void> {
    for (const { driverId, status, at, seenAt } of stored) {
      const record = this.recordOf(driverId);
      record.reported = status === 'ON_TRIP' ? undefined : status;
      record.onTrip = status === 'ON_TRIP';
      record.seenAt = seenAt;
      record.published = status;
      await publishDriverStatus(this.options.publisher, driverId, status, at);
    }
  }

  report(driverId: string, status: ReportedStatus, at: number): Promise<DriverStatus> {
    const record = this.recordOf(driverId);
    record.reported = status;
    record.lost = false;
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
    const timer = setTimeout(() => {
      this.graceTimers.delete(driverId);
      this.setLost(driverId, record, true);
    }, this.options.graceMs);
    timer.unref();
    clearTimeout(this.graceTimers.get(driverId));
    this.graceTimers.set(driverId, timer);
  }

  seen(driverId: string, at: number): void {
    const record = this.recordOf(driverId);
    record.seenAt = at;
    if (record.lost || record.published === undefined) this.setLost(driverId, record, false);
  }

  /** A trip of this driver has become active, or has ended. */
  setOnTrip(driverId: string, onTrip: boolean): void {
    const record = this.recordOf(driverId);
    if (record.onTrip === onTrip) return;
    record.onTrip = onTrip;
    this.publishIfChanged(driverId, record);
  }

  stop(): void {
    clearInterval(this.sweepTimer);
    for (const timer of this.graceTimers.values()) clearTimeout(timer);
  }

  private recordOf(driverId: string): DriverRecord {
    const known = this.drivers.get(driverId);
    if (known !== undefined) return known;
    const record = newRecord();
    this.drivers.set(driverId, record);
    return record;
  }

  private setLost(driverId: string, record: DriverRecord, lost: boolean): void {
    record.lost = lost;
    this.publishIfChanged(driverId, record);
  }

  private publishIfChanged(driverId: string, record: DriverRecord): void {
    if (effectiveStatus(record) === record.published) return;
    this.publish(driverId, record, Date.now()).catch((error: unknown) =>
      this.options.log.error({ err: error, driverId }, "a driver's status could not be stored"),
    );
  }

  private publish(driverId: string, record: DriverRecord, at: number): Promise<DriverStatus> {
    record.published = effectiveStatus(record);
    return this.queue.run(driverId, async () => {
      // What it counts as by now: changes that waited for each other end in the last one
      const status = effectiveStatus(record);
      await this.options.save(driverId, status, at);
      await publishDriverStatus(this.options.publisher, driverId, status, at);
      return status;
    });
  }

  private sweep(now: number): void {
    for (const [driverId, record] of this.drivers) {
      if (record.connections > 0 || this.graceTimers.has(driverId) || record.onTrip) continue;
      if (record.seenAt >= now - this.options.staleAfterMs) continue;
      if (effectiveStatus(record) !== 'OFFLINE') this.setLost(driverId, record, true);
      else this.drivers.delete(driverId);
    }
  }
}
