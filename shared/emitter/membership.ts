import type { Logger } from '../telemetry/log.ts';
import { Announcements } from './announcements.ts';
import type { Channels } from './channels.ts';
import { InterestTable, type Peer } from './interest-table.ts';
import { Arrivals, type Link } from './link.ts';
import { type Note, packNote } from './notes.ts';

/** Longest to wait for the others to say what they want: one of them may be frozen. */
const JOIN_MS = 1000;
/** Between two questions to the same node. */
const ASK_AGAIN_MS = 500;
/** What a node sent last is remembered for this long after it was taken for dead: it may only have been frozen. */
const REMEMBERED_MS = 60_000;

export type MembershipOptions = {
  nodeId: string;
  channels: Channels;
  log: Logger;
  heartbeatMs: number;
  expiryMs: number;
  newLink(nodeId: string): Link;
  /** What this node wants. */
  filters(): string[];
  /** `isBack`: it had joined before, or listened in vain. */
  joined(isBack: boolean): void;
  left(link: Link): void;
  gap(): void;
};

/**
 * Who the other nodes are, which of them live, and what they want. A node is *away* while its channels are not up, *joining* from its
 * greeting until the others have answered, and then *joined*.
 */
export class Membership {
  state: 'away' | 'joining' | 'joined' | 'closed' = 'away';
  readonly announcements = new Announcements();
  readonly arrivals = new Arrivals();
  readonly table: InterestTable<Link>;
  private readonly options: MembershipOptions;
  private readonly heartbeat: NodeJS.Timeout;
  private joins = 0;
  private answered = new Set<string>();
  private onAnswer: () => void = () => undefined;
  private beatAt = Date.now();
  /** When what we sent to all came back to us. */
  private echoAt = Date.now();

  constructor(options: MembershipOptions) {
    this.options = options;
    this.table = new InterestTable(options.newLink);
    this.heartbeat = setInterval(() => this.beat(), options.heartbeatMs);
    this.heartbeat.unref();
  }

  /** The channels are up. */
  async join(): Promise<void> {
    const count = ++this.joins;
    const isOver = () => this.state !== 'joining' || count !== this.joins;
    this.state = 'joining';
    this.answered = new Set();
    this.hearAgain(Date.now());
    const filters = this.options.filters();
    const isBack = count > 1 || filters.length > 0;
    this.announcements.skip();
    const { version } = this.announcements;
    const greeting = this.tellAll({ type: 'hello', from: this.options.nodeId, version, filters });
    try {
      const [nodes] = await Promise.all([this.options.channels.countNodes(), greeting]);
      await this.answers(nodes - 1);
    } catch (error) {
      if (isOver()) return;
      this.options.log.warn({ err: error }, 'the other nodes could not be greeted; trying again');
      this.options.channels.renew();
      return;
    }
    if (isOver()) return;
    this.state = 'joined';
    this.options.joined(isBack);
  }

  /** The channels are down. */
  leave(): void {
    if (this.state !== 'closed') this.state = 'away';
  }

  async close(): Promise<void> {
    const { state } = this;
    this.state = 'closed';
    clearInterval(this.heartbeat);
    this.onAnswer();
    if (state === 'joined')
      await this.tellAll({ type: 'bye', from: this.options.nodeId }).catch(() => undefined);
    this.announcements.skip();
  }

  /** Tells what has changed in what this node wants. */
  tellChanges(): void {
    // All that we want will be told with the greeting
    if (this.state === 'away' || this.state === 'closed') this.announcements.skip();
    else if (!this.announcements.isEmpty)
      this.announcements.tell((version, added, removed) =>
        this.tellAll({ type: 'change', from: this.options.nodeId, version, added, removed }),
      );
  }

  receive(note: Note): void {
    const { nodeId } = this.options;
    const { from } = note;
    if (from === nodeId) {
      this.echoAt = Date.now();
      return;
    }
    if (note.type === 'bye') {
      const known = this.table.get(from);
      if (known !== undefined) this.forget(known);
      this.arrivals.forget(from);
      return;
    }
    const peer = this.table.heard(from, Date.now());
    switch (note.type) {
      case 'hello':
        this.table.replace(peer, note.version, note.filters);
        this.tellWants(from);
        return;
      case 'wants':
        this.table.replace(peer, note.version, note.filters);
        this.answered.add(from);
        this.onAnswer();
        return;
      case 'change':
        if (!this.table.apply(peer, note)) this.ask(peer);
        return;
      case 'ask':
        this.tellWants(from);
        return;
      case 'alive': {
        if (!this.table.isUpTo(peer, note.version)) this.ask(peer);
        const sent = note.sent[nodeId];
        if (sent !== undefined && !this.arrivals.isComplete(from, ...sent)) this.options.gap();
      }
    }
  }

  private async answers(count: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, JOIN_MS);
      this.onAnswer = () => {
        if (this.answered.size < count && this.state === 'joining') return;
        clearTimeout(timer);
        resolve();
      };
      this.onAnswer();
    });
  }

  private beat(): void {
    const now = Date.now();
    // It was this process that stood still: what the others sent meanwhile is still to be read
    const wasFrozen = now - this.beatAt > 2 * this.options.heartbeatMs;
    this.beatAt = now;
    if (this.state === 'away' || this.state === 'closed') return;
    if (wasFrozen) this.hearAgain(now);
    const { nodeId, channels, expiryMs } = this.options;
    // A connection that looks alive, and is not
    if (now - this.echoAt > expiryMs) channels.renew();
    const sent: Record<string, [number, number]> = {};
    for (const peer of this.table.all) {
      if (now - peer.heardAt > expiryMs) this.takeForDead(peer);
      else sent[peer.id] = [peer.link.number, peer.link.lastFrame];
    }
    // The next one tells the same
    this.tellAll({ type: 'alive', from: nodeId, version: this.announcements.version, sent }).catch(
      () => undefined,
    );
  }

  /** Nobody is taken for dead who could not be heard. */
  private hearAgain(now: number): void {
    this.beatAt = this.echoAt = now;
    for (const peer of this.table.all) peer.heardAt = now;
  }

  private takeForDead(peer: Peer<Link>): void {
    this.options.log.warn({ node: peer.id }, 'another node is taken for dead');
    this.forget(peer);
    setTimeout(() => {
      if (this.table.get(peer.id) === undefined) this.arrivals.forget(peer.id);
    }, REMEMBERED_MS).unref();
  }

  private forget(peer: Peer<Link>): void {
    this.table.forget(peer);
    this.options.left(peer.link);
  }

  private ask({ id, link }: Peer<Link>): void {
    const now = Date.now();
    if (now - link.askedAt < ASK_AGAIN_MS) return;
    link.askedAt = now;
    this.tell(id, { type: 'ask', from: this.options.nodeId });
  }

  private tellWants(to: string): void {
    // What has changed is told first: undone before it was told, it would stand in here alone
    this.tellChanges();
    const { version } = this.announcements;
    this.tell(to, { type: 'wants', from: this.options.nodeId, version, filters: this.options.filters() });
  }

  /** Whoever misses it asks again. */
  private tell(to: string, note: Note): void {
    this.options.channels.toNode(to, packNote(note)).catch(() => undefined);
  }

  private tellAll(note: Note): Promise<void> {
    return this.options.channels.toAll(packNote(note));
  }
}
