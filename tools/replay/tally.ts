import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** What happened so far. Times are those of performance.now(), in milliseconds. */
export class Tally {
  /** Positions to send. */
  readonly total: number;
  /** Handed to a connection at least once. */
  sent = 0;
  acknowledged = 0;
  reconnects = 0;
  /** By code: acknowledged, but refused by the platform (SPEC section 5). */
  readonly rejected = new Map<string, number>();
  readonly #latency: RecordableHistogram = createHistogram();
  #startedAt: number | undefined;
  #lastAcknowledgedAt = 0;

  constructor(total: number) {
    this.total = total;
  }

  start(now: number): void {
    this.#startedAt = now;
    this.#lastAcknowledgedAt = now;
  }

  acknowledge(sentAt: number, now: number): void {
    this.acknowledged++;
    this.#lastAcknowledgedAt = now;
    // A histogram takes whole numbers from 1 on: microseconds.
    this.#latency.record(Math.max(1, Math.round((now - sentAt) * 1000)));
  }

  reject(code: string): void {
    this.rejected.set(code, (this.rejected.get(code) ?? 0) + 1);
  }

  get rejectedCount(): number {
    return [...this.rejected.values()].reduce((sum, count) => sum + count, 0);
  }

  /** From the first position sent to the last one acknowledged. */
  get seconds(): number {
    return this.#startedAt === undefined ? 0 : (this.#lastAcknowledgedAt - this.#startedAt) / 1000;
  }

  /** From publish to PUBACK, a resend included; undefined before the first. */
  latencyMs(percentile: number): number | undefined {
    return this.#latency.count === 0 ? undefined : this.#latency.percentile(percentile) / 1000;
  }

  /** Everything was acknowledged and nothing rejected. */
  get isClean(): boolean {
    return this.acknowledged === this.total && this.rejected.size === 0;
  }
}
