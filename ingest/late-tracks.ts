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

type Span = { from: number; to: number };

/** Measures completed trips anew when positions of theirs arrive late. */
export class LateTracks {
  private spans = new Map<string, Span>();
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
    for (const { driverId, recordedAt, receivedAt } of positions) {
      if (receivedAt - recordedAt < LATE_MS) continue;
      const span = this.spans.get(driverId);
      this.spans.set(driverId, {
        from: Math.min(span?.from ?? recordedAt, recordedAt),
        to: Math.max(span?.to ?? recordedAt, recordedAt),
      });
    }
    if (this.spans.size > 0 && this.timer === undefined)
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
        for (const tripId of await tripsDrivenBetween(this.queries, { driverId, from, to, keptSince })) {
          const { distanceMeters } = await measureTrack(this.queries, tripId);
          this.log.info({ tripId, distanceMeters }, 'trip measured anew: positions arrived late');
        }
      } catch (error) {
        this.log.error({ err: error, driverId }, "a driver's late positions could not be added to its trips");
      }
    }
  }
}
