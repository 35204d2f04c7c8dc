type Client = { id: string };
type Packet = { messageId?: number };

/** As many as a client may have on its way over one connection, with room for those that it left on the one before. */
const MAX_OF_A_SESSION = 2000;

/** 20 to 40 MB, if somebody means harm: a client sends what it began again and releases it, so next to none are left for long. */
const MAX_OF_ALL = 500_000;

const NOTHING = Buffer.alloc(0);

/**
 * The QoS 2 messages that came and are not released: only that they came. A session that lasts may leave some behind with every connection
 * and never come back: beyond the bounds the oldest are forgotten, and one of those that is sent again counts twice.
 */
export class MemoryIncoming {
  /** By client id; the one that was longest without a new message comes first. */
  private readonly sessions = new Map<string, Set<number>>();
  private readonly maxOfASession: number;
  private readonly maxOfAll: number;
  private size = 0;

  constructor(maxOfASession = MAX_OF_A_SESSION, maxOfAll = MAX_OF_ALL) {
    this.maxOfASession = maxOfASession;
    this.maxOfAll = maxOfAll;
  }

  store({ id }: Client, { messageId = 0 }: Packet): void {
    const ids = this.sessions.get(id) ?? new Set();
    this.sessions.delete(id);
    this.sessions.set(id, ids);
    if (ids.has(messageId)) return;
    ids.add(messageId);
    this.size++;
    if (ids.size > this.maxOfASession) this.delete({ id }, { messageId: first(ids) });
    if (this.size > this.maxOfAll) this.forget({ id: first(this.sessions.keys()) });
  }

  /** @throws where there is none */
  get({ id }: Client, { messageId = 0 }: Packet): object {
    if (!this.sessions.get(id)?.has(messageId)) throw new Error('no such packet');
    return { messageId, payload: NOTHING };
  }

  /** @throws where there is none */
  delete({ id }: Client, { messageId = 0 }: Packet): void {
    const ids = this.sessions.get(id);
    if (!ids?.delete(messageId)) throw new Error('no such packet');
    this.size--;
    if (ids.size === 0) this.sessions.delete(id);
  }

  /** What is left of a session. */
  forget({ id }: Client): void {
    this.size -= this.sessions.get(id)?.size ?? 0;
    this.sessions.delete(id);
  }
}

function first<T>(all: Iterable<T>): T {
  for (const one of all) return one;
  throw new Error('there is none');
}
