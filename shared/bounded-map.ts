/**
 * A map that forgets what has not been used for longest, so that what nobody deletes takes no memory for ever.
 *
 * Two generations: what is used goes into the young one; when that holds `capacity` entries it becomes the old one,
 * and the old one before it is dropped whole. So at least the last `capacity` keys used are there and never more than
 * twice as many, at the cost of one or two look-ups and without a timer.
 */
export class BoundedMap<V> {
  private readonly capacity: number;
  private young = new Map<string, V>();
  private old = new Map<string, V>();

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.young.size + this.old.size;
  }

  get(key: string): V | undefined {
    const value = this.young.get(key);
    if (value !== undefined) return value;
    const aged = this.old.get(key);
    if (aged !== undefined) this.set(key, aged);
    return aged;
  }

  set(key: string, value: V): void {
    this.old.delete(key);
    if (this.young.size >= this.capacity && !this.young.has(key)) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(key, value);
  }

  delete(key: string): void {
    this.young.delete(key);
    this.old.delete(key);
  }

  clear(): void {
    this.young.clear();
    this.old.clear();
  }
}
