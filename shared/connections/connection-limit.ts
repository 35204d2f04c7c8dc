/**
 * How many connections each user has. A connection with the client id of another one takes that one over, so it needs no place of
 * its own.
 */
export class ConnectionLimit {
  private readonly users = new Map<string, Map<string, number>>();
  private readonly max: number;

  constructor(max: number) {
    this.max = max;
  }

  /** Takes a place; the returned function gives it back. undefined: there is none. */
  take(sub: string, clientId: string): (() => void) | undefined {
    const clients = this.users.get(sub) ?? new Map<string, number>();
    const held = clients.get(clientId) ?? 0;
    if (held === 0 && clients.size >= this.max) return undefined;
    clients.set(clientId, held + 1);
    this.users.set(sub, clients);
    return () => this.release(sub, clientId);
  }

  private release(sub: string, clientId: string): void {
    const clients = this.users.get(sub);
    const held = clients?.get(clientId) ?? 0;
    if (clients === undefined || held === 0) return;
    if (held > 1) clients.set(clientId, held - 1);
    else clients.delete(clientId);
    if (clients.size === 0) this.users.delete(sub);
  }
}
