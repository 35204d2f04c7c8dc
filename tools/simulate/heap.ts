type Entry<Item> = { key: number; order: number; item: Item };

/** A queue that gives the smallest key first, and equal keys in the order they came: a binary heap. */
export class Heap<Item> {
  readonly #entries: Entry<Item>[] = [];
  #count = 0;

  get size(): number {
    return this.#entries.length;
  }

  get smallestKey(): number | undefined {
    return this.#entries[0]?.key;
  }

  push(key: number, item: Item): void {
    const entries = this.#entries;
    const entry = { key, order: this.#count++, item };
    let place = entries.length;
    entries.push(entry);
    while (place > 0) {
      const parentPlace = (place - 1) >> 1;
      const parent = entries[parentPlace];
      if (parent === undefined || !before(entry, parent)) break;
      entries[place] = parent;
      place = parentPlace;
    }
    entries[place] = entry;
  }

  pop(): Item | undefined {
    const entries = this.#entries;
    const first = entries[0];
    const last = entries.pop();
    if (first === undefined || last === undefined) return undefined;
    if (entries.length > 0) this.#sink(last);
    return first.item;
  }

  #sink(entry: Entry<Item>): void {
    const entries = this.#entries;
    let place = 0;
    for (;;) {
      const leftPlace = 2 * place + 1;
      const left = entries[leftPlace];
      const right = entries[leftPlace + 1];
      const child = left !== undefined && right !== undefined && before(right, left) ? right : left;
      if (child === undefined || !before(child, entry)) break;
      entries[place] = child;
      place = child === left ? leftPlace : leftPlace + 1;
    }
    entries[place] = entry;
  }
}

const before = <Item>(one: Entry<Item>, other: Entry<Item>): boolean =>
  one.key < other.key || (one.key === other.key && one.order < other.order);
