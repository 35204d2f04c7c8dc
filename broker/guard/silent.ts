/**
 * Connections that have not said who they are, oldest first. Where there are too many, the oldest goes in favour of the newest, as in
 * a SYN cache: whoever means it has said so within a second, and a flood throws out itself.
 */
export class Silent<T> {
  private readonly all = new Set<T>();
  private readonly byAddress = new Map<string, Set<T>>();
  private readonly max: number;
  private readonly maxPerAddress: number;

  constructor(max: number, maxPerAddress: number) {
    this.max = max;
    this.maxPerAddress = maxPerAddress;
  }

  /** `key` undefined: it counts for no address. Returns who has to go. */
  add(connection: T, key: string | undefined): T | undefined {
    this.all.add(connection);
    const own = key === undefined ? undefined : this.ofAddress(key);
    own?.add(connection);
    const crowded = own !== undefined && own.size > this.maxPerAddress ? own : this.all;
    if (crowded === this.all && this.all.size <= this.max) return undefined;
    const [oldest] = crowded;
    return oldest;
  }

  /** Whether it was there. */
  remove(connection: T, key: string | undefined): boolean {
    if (!this.all.delete(connection)) return false;
    if (key === undefined) return true;
    const own = this.byAddress.get(key);
    own?.delete(connection);
    if (own?.size === 0) this.byAddress.delete(key);
    return true;
  }

  private ofAddress(key: string): Set<T> {
    const known = this.byAddress.get(key);
    if (known !== undefined) return known;
    const own = new Set<T>();
    this.byAddress.set(key, own);
    return own;
  }
}
