type Level<T> = { below: Map<string, Level<T>>; value: T | undefined };

const newLevel = <T>(): Level<T> => ({ below: new Map(), value: undefined });

export const hasWildcard = (filter: string) =>
  filter.includes('+') || filter.includes('#')
    ? filter.split('/').some((level) => level === '+' || level === '#')
    : false;

/**
 * One value for each topic or filter, and the values whose filters match a topic (MQTT 3.1.1, 4.7; that leading wildcards leave out
 * `$` topics is for who listens to see to, as with mqemitter). A topic is one look into a Map; filters with wildcards are a tree of
 * levels, so that what a match costs does not grow with their number.
 */
export class TopicIndex<T> {
  private readonly values = new Map<string, T>();
  private readonly root: Level<T> = newLevel();
  private wildcards = 0;

  get size(): number {
    return this.values.size;
  }

  get(filter: string): T | undefined {
    return this.values.get(filter);
  }

  filters(): string[] {
    return [...this.values.keys()];
  }

  set(filter: string, value: T): void {
    const isNew = !this.values.has(filter);
    this.values.set(filter, value);
    if (!hasWildcard(filter)) return;
    if (isNew) this.wildcards++;
    let level = this.root;
    for (const name of filter.split('/')) {
      let next = level.below.get(name);
      if (next === undefined) {
        next = newLevel();
        level.below.set(name, next);
      }
      level = next;
    }
    level.value = value;
  }

  delete(filter: string): void {
    if (!this.values.delete(filter) || !hasWildcard(filter)) return;
    this.wildcards--;
    prune(this.root, filter.split('/'), 0);
  }

  /** Each once. */
  matching(topic: string): T[] {
    const found: T[] = [];
    const exact = this.values.get(topic);
    if (exact !== undefined) found.push(exact);
    if (this.wildcards > 0) walk(this.root, topic.split('/'), 0, found);
    return found;
  }
}

function walk<T>(level: Level<T>, names: readonly string[], depth: number, found: T[]): void {
  // It matches the level above it, too
  const rest = level.below.get('#')?.value;
  if (rest !== undefined) found.push(rest);
  const name = names[depth];
  if (name === undefined) {
    if (level.value !== undefined) found.push(level.value);
    return;
  }
  const any = level.below.get('+');
  if (any !== undefined) walk(any, names, depth + 1, found);
  const same = name === '+' || name === '#' ? undefined : level.below.get(name);
  if (same !== undefined) walk(same, names, depth + 1, found);
}

/** Takes a filter's value out, and the levels that led to nothing else. */
function prune<T>(level: Level<T>, names: readonly string[], depth: number): void {
  const name = names[depth];
  if (name === undefined) {
    level.value = undefined;
    return;
  }
  const next = level.below.get(name);
  if (next === undefined) return;
  prune(next, names, depth + 1);
  if (next.value === undefined && next.below.size === 0) level.below.delete(name);
}
