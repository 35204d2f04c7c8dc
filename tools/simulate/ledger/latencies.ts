import { createHistogram } from 'node:perf_hooks';

/** Percentiles of durations in milliseconds, over all time and since the last look. */
export class Latencies {
  readonly #all = createHistogram();
  readonly #recent = createHistogram();

  record(milliseconds: number): void {
    // A histogram takes whole numbers from 1 on: microseconds
    const value = Math.max(1, Math.round(milliseconds * 1000));
    this.#all.record(value);
    this.#recent.record(value);
  }

  get count(): number {
    return this.#all.count;
  }

  /** undefined before the first. */
  percentile(percentile: number): number | undefined {
    return this.#all.count === 0 ? undefined : this.#all.percentile(percentile) / 1000;
  }

  /** The percentiles since the last call. */
  takeRecent(...percentiles: readonly number[]): (number | undefined)[] {
    const isEmpty = this.#recent.count === 0;
    const values = percentiles.map((each) => (isEmpty ? undefined : this.#recent.percentile(each) / 1000));
    this.#recent.reset();
    return values;
  }
}
