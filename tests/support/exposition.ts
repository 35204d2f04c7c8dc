export type Shown = {
  type: string;
  /** Each label with its values. */
  labels: Map<string, Set<string>>;
};

export type Sample = { name: string; labels: Record<string, string>; value: number };

/** Prometheus' text format (0.0.4), as far as it is used. */
export function samplesOf(text: string): Sample[] {
  return [...text.matchAll(/^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/gm)].map(
    ([, name = '', labels = '', value]) => ({
      name,
      labels: Object.fromEntries(
        [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', given = '']) => [
          label,
          given,
        ]),
      ),
      value: Number(value),
    }),
  );
}

/** A metric's name without what its kind puts behind it. */
const familyOf = (name: string, types: ReadonlyMap<string, string>) => {
  const family = name.replace(/_(bucket|sum|count)$/, '');
  return types.has(name) ? name : family;
};

/** Every sample's name, with its type and labels, over all these answers; also of histograms that nothing was observed in yet. */
export function shownBy(texts: readonly string[]): Map<string, Shown> {
  const all = new Map<string, Shown>();
  for (const text of texts) {
    const types = new Map(
      [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]),
    );
    for (const { name, labels } of samplesOf(text)) {
      const known = all.get(name) ?? { type: types.get(familyOf(name, types)) ?? '', labels: new Map() };
      all.set(name, known);
      for (const [label, value] of Object.entries(labels))
        known.labels.set(label, (known.labels.get(label) ?? new Set()).add(value));
    }
  }
  return all;
}
