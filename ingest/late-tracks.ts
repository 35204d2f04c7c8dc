import type { Queries } from '../shared/database/index.ts';
import type { LoggedPosition } from '../shared/position-log/index.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import { measureTrack } from '../shared/trips/sql/measure-track.ts';
import { firstDayKept } from './partitions.ts';
import { tripsDrivenBetween } from './sql/trips-driven-between.ts';

/** A position that took longer to get here comes out of a backlog: its trip may have ended in the meantime. */
const LATE_MS = 10_000;
/** A backlog comes in several batches: they are measured together. */
const SETTLE_MS = 500;
/** After that, what belongs to a completed trip and is stored only now is late by its own time. */
const RECENT_MS = 6 * LATE_MS;

type Span = { from: number; to: number };

/**
 * Measures completed trips anew when positions of theirs are stored late: they came out of a device's backlog, or the trip was
 * completed while they were still on their way to the database.
 */
export class LateTracks {
  private spans = new Map<string, Span>();
  /** When a driver's last trip was completed (epoch ms), in the order in which that was told. */
  private readonly ended = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;
  private current: Promise<void> = Promise.resolve();
  private readonly queries: Queries;
  private readonly retentionDays: number;
  private readonly log: Logger;

  constructor(queries: Queries, retentionDays: number, log: Logger) {
    this.queries = queries;
    this.retentionDays = retentionDays;
    this.log = log;
  }

  /** Takes what has just been committed. */
  committed(positions: readonly LoggedPosition[]): void {
    const now = Date.now();
    for (const { driverId, recordedAt, receivedAt, tripId } of positions) {
      const isLate = (tripId === null ? receivedAt : now) - recordedAt >= LATE_MS;
      if (isLate || recordedAt <= (this.ended.get(driverId) ?? 0)) this.note(driverId, recordedAt);
    }
  }

  /** A trip was completed `at` (epoch ms): it was measured then, perhaps without what was just being stored. */
  completed(driverId: string, at: number): void {
    this.note(driverId, at);
    this.ended.delete(driverId);
    this.ended.set(driverId, at);
    for (const [id, endedAt] of this.ended) {
      if (endedAt > at - RECENT_MS) break;
      this.ended.delete(id);
    }
  }

  private note(driverId: string, at: number): void {
    const span = this.spans.get(driverId);
    this.spans.set(driverId, { from: Math.min(span?.from ?? at, at), to: Math.max(span?.to ?? at, at) });
    if (this.timer === undefined)
      this.timer = setTimeout(() => {
        this.current = this.current.then(() => this.measure());
      }, SETTLE_MS);
  }

  async stop(): Promise<void> {
    clearTimeout(this.timer);
    await this.current;
    await this.measure();
  }

  private async measure(): Promise<void> {
    const { spans } = this;
    this.spans = new Map();
    this.timer = undefined;
    const keptSince = firstDayKept(this.retentionDays, Date.now());
    for (const [driverId, { from, to }] of spans) {
      try {
        const trips = await tripsDrivenBetween(this.queries, { driverId, from, to, keptSince });
        for (const { tripId, distanceMeters: before } of trips) {
          const { distanceMeters } = await measureTrack(this.queries, tripId);
          if (distanceMeters !== before)
            this.log.info({ tripId, before, distanceMeters }, 'trip measured anew: positions came late');
        }
      } catch (error) {
        this.log.error({ err: error, driverId }, "a driver's late positions could not be added to its trips");
      }
    }
  }
}
