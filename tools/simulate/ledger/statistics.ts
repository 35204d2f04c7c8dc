import { Latencies } from './latencies.ts';

/** Counters of a run, for the progress line and the summary. */
export class Statistics {
  driversConnected = 0;
  ridersConnected = 0;
  published = 0;
  acknowledged = 0;
  /** Positions that came to a rider, live. */
  delivered = 0;
  reconnects = 0;
  requests = 0;
  /** By code: reports on the errors topics, and answers of REST that are errors. */
  readonly errors = new Map<string, number>();
  /** From a driver's publish to its rider. */
  readonly toRider = new Latencies();
  /** From a driver's publish to its PUBACK. */
  readonly toAcknowledgement = new Latencies();

  error(code: string): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }
}
