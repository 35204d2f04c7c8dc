import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** Milliseconds. */
export type Quantiles = { p50: number; p99: number; p999: number; max: number; count: number };

/** Durations in milliseconds, kept to three digits. */
export class Latencies {
  private readonly histogram: RecordableHistogram = createHistogram({ figures: 3 });

  record(ms: number): void {
    this.histogram.record(Math.max(1, Math.round(ms * 1000)));
  }

  quantiles(): Quantiles {
    const at = (percent: number) => this.histogram.percentile(percent) / 1000;
    return {
      p50: at(50),
      p99: at(99),
      p999: at(99.9),
      max: this.histogram.count === 0 ? 0 : this.histogram.max / 1000,
      count: this.histogram.count,
    };
  }
}
