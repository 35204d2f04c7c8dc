import type { SessionClient } from './session.ts';

/** Often enough to close a session within 1 s of its token's end (SPEC section 4). */
const TICK_MS = 250;

const slotOf = (time: number) => Math.ceil(time / TICK_MS);

/**
 * Ends sessions with their tokens. One timer for all: sessions wait in slots of a tick each, so that a tick looks at slots, not at
 * sessions. It goes by the clock as it is at the tick, which may have been set forth or back since the last one.
 */
export class SessionExpiry {
  private readonly slots = new Map<number, Set<SessionClient>>();
  private readonly slotByClient = new Map<SessionClient, number>();
  private readonly timer: NodeJS.Timeout;
  private readonly expire: (client: SessionClient) => void;

  constructor(expire: (client: SessionClient) => void) {
    this.expire = expire;
    this.timer = setInterval(() => this.tick(Date.now()), TICK_MS);
    this.timer.unref();
  }

  /** Watches a client until `expiresAt` (epoch ms); again with another time moves it there. */
  watch(client: SessionClient, expiresAt: number): void {
    this.forget(client);
    const slot = slotOf(expiresAt);
    const clients = this.slots.get(slot) ?? new Set();
    clients.add(client);
    this.slots.set(slot, clients);
    this.slotByClient.set(client, slot);
  }

  forget(client: SessionClient): void {
    const slot = this.slotByClient.get(client);
    if (slot === undefined) return;
    this.slotByClient.delete(client);
    const clients = this.slots.get(slot);
    clients?.delete(client);
    if (clients?.size === 0) this.slots.delete(slot);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private tick(now: number): void {
    const due = Math.floor(now / TICK_MS);
    for (const [slot, clients] of this.slots) {
      if (slot > due) continue;
      for (const client of [...clients]) {
        this.forget(client);
        this.expire(client);
      }
    }
  }
}
