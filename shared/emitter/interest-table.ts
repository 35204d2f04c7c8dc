import { TopicIndex } from './topic-index.ts';

/** Another node. `version`: of what it wants, as far as we know; undefined: we don't, and it gets everything. */
export type Peer<L> = {
  readonly id: string;
  version: number | undefined;
  filters: Set<string>;
  /** Epoch ms. */
  heardAt: number;
  readonly link: L;
};

export type Difference = { version: number; added: readonly string[]; removed: readonly string[] };

/**
 * Which node wants which topics. Each node tells of differences, numbered without a gap; whoever misses one knows nothing of that
 * node until it has told everything again, and sends it everything meanwhile. `L`: what leads to a node.
 */
export class InterestTable<L> {
  private readonly peers = new Map<string, Peer<L>>();
  private readonly index = new TopicIndex<readonly L[]>();
  private readonly unknown = new Set<L>();
  private readonly newLink: (id: string) => L;

  constructor(newLink: (id: string) => L) {
    this.newLink = newLink;
  }

  get all(): Peer<L>[] {
    return [...this.peers.values()];
  }

  get(id: string): Peer<L> | undefined {
    return this.peers.get(id);
  }

  /** A sign of life. */
  heard(id: string, now: number): Peer<L> {
    let peer = this.peers.get(id);
    if (peer === undefined) {
      peer = { id, version: undefined, filters: new Set(), heardAt: now, link: this.newLink(id) };
      this.peers.set(id, peer);
      this.unknown.add(peer.link);
    }
    peer.heardAt = now;
    return peer;
  }

  /** All that it wants, at this version. Older than what we know: of no use. */
  replace(peer: Peer<L>, version: number, filters: readonly string[]): void {
    if (peer.version !== undefined && version < peer.version) return;
    const wanted = new Set(filters);
    for (const filter of peer.filters) if (!wanted.has(filter)) this.remove(peer, filter);
    for (const filter of wanted) if (!peer.filters.has(filter)) this.add(peer, filter);
    peer.filters = wanted;
    peer.version = version;
    this.unknown.delete(peer.link);
  }

  /** False: some before it are missing (or all are): ask for everything. */
  apply(peer: Peer<L>, { version, added, removed }: Difference): boolean {
    if (!this.isUpTo(peer, version - 1)) return false;
    // Had already
    if (peer.version === undefined || version <= peer.version) return true;
    for (const filter of removed) if (peer.filters.delete(filter)) this.remove(peer, filter);
    for (const filter of added)
      if (!peer.filters.has(filter)) {
        peer.filters.add(filter);
        this.add(peer, filter);
      }
    peer.version = version;
    return true;
  }

  /** Do we know what it wants at this version? If not, we know nothing of it from now on. */
  isUpTo(peer: Peer<L>, version: number): boolean {
    if (peer.version !== undefined && peer.version >= version) return true;
    peer.version = undefined;
    this.unknown.add(peer.link);
    return false;
  }

  forget(peer: Peer<L>): void {
    for (const filter of peer.filters) this.remove(peer, filter);
    this.unknown.delete(peer.link);
    this.peers.delete(peer.id);
  }

  /** Each once. */
  wanting(topic: string): readonly L[] {
    const lists = this.index.matching(topic);
    const [only] = lists;
    if (this.unknown.size === 0 && lists.length <= 1) return only ?? [];
    return [...new Set([...lists.flat(), ...this.unknown])];
  }

  private add(peer: Peer<L>, filter: string): void {
    this.index.set(filter, [...(this.index.get(filter) ?? []), peer.link]);
  }

  private remove(peer: Peer<L>, filter: string): void {
    const left = (this.index.get(filter) ?? []).filter((link) => link !== peer.link);
    if (left.length > 0) this.index.set(filter, left);
    else this.index.delete(filter);
  }
}
