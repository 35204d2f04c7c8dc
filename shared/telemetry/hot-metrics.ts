import { Counter, type Metric, type Registry } from 'prom-client';

/**
 * Metrics for what happens with every position. prom-client builds a key of the labels, checks them and looks it up each time; here
 * that is an addition to a number, and prom-client's form is made of it when somebody asks. `npm run -s jest -- tests/unit/hot-metrics`
 * shows that both say the same.
 */

export type Described = { name: string; help: string };

/** A counter by one label, all of whose values are known: each has its series from the beginning. */
export class Tally<Value extends string> {
  private readonly counts: Record<string, number>;

  constructor(registry: Registry, { name, help }: Described, label: string, values: readonly Value[]) {
    // Without a prototype: `constructor` is no value either
    const counts: Record<string, number> = Object.create(null);
    for (const value of values) counts[value] = 0;
    this.counts = counts;
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [registry],
      collect() {
        this.reset();
        for (const [value, count] of Object.entries(counts)) this.inc({ [label]: value }, count);
      },
    });
  }

  /** What is no value of the label counts for nothing: no name that somebody sends becomes a series. */
  count(value: Value, by = 1): void {
    const known = this.counts[value];
    if (known !== undefined) this.counts[value] = known + by;
  }
}

type Sample = { metricName: string; labels: Record<string, string | number>; value: number };

/** Where observations of one set of labels are counted. */
export class Buckets {
  private readonly counts: Float64Array;
  private readonly bounds: readonly number[];
  private sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  /** `value`: in the unit of the metric. */
  observe(value: number): void {
    const { bounds, counts } = this;
    let at = 0;
    while (at < bounds.length && value > (bounds[at] as number)) at++;
    counts[at] = (counts[at] as number) + 1;
    this.sum += value;
  }

  samples(name: string, labels: Record<string, string>): Sample[] {
    let total = 0;
    const buckets = [...this.counts].map((count, at) => {
      total += count;
      return {
        metricName: `${name}_bucket`,
        labels: { ...labels, le: this.bounds[at] ?? '+Inf' },
        value: total,
      };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.sum },
      { metricName: `${name}_count`, labels, value: total },
    ];
  }
}

/** prom-client's registry asks a metric for no more than this. */
function register(registry: Registry, { name, help }: Described, samples: () => Sample[]): void {
  const metric = {
    name,
    help,
    type: 'histogram',
    get: async () => ({ name, help, type: 'histogram', values: samples() }),
  };
  registry.registerMetric(metric as unknown as Metric);
}

/** A histogram without labels. */
export function plainHistogram(registry: Registry, described: Described, bounds: readonly number[]): Buckets {
  const buckets = new Buckets(bounds);
  register(registry, described, () => buckets.samples(described.name, {}));
  return buckets;
}

/** A histogram by one label, whose values are named in the code: never what a client sends. */
export class HistogramBy {
  private readonly byValue = new Map<string, Buckets>();
  private readonly bounds: readonly number[];

  constructor(registry: Registry, described: Described, label: string, bounds: readonly number[]) {
    this.bounds = bounds;
    register(registry, described, () =>
      [...this.byValue].flatMap(([value, buckets]) => buckets.samples(described.name, { [label]: value })),
    );
  }

  /** To be asked for once, and kept. */
  of(value: string): Buckets {
    let buckets = this.byValue.get(value);
    if (buckets === undefined) {
      buckets = new Buckets(this.bounds);
      this.byValue.set(value, buckets);
    }
    return buckets;
  }
}
