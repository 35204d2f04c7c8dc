import type { Identity } from '../../shared/auth/identity.ts';
import type { Revocations } from '../../shared/auth/revocations.ts';
import type { Control } from '../../shared/connections/control.ts';
import type { CloseReason } from '../../shared/connections/index.ts';

export type OpenStream = { id: string; identity: Identity; close(reason: CloseReason): void };

/** Often enough to end a stream within 1 s of its token's end. */
const TICK_MS = 500;

/** Every event stream of this process, ended with its token, by an operator, by a revocation, and when the process stops. */
export class OpenStreams {
  private readonly streams = new Set<OpenStream>();
  private readonly timer: NodeJS.Timeout;

  constructor(control: Control, revocations: Pick<Revocations, 'covers' | 'onAdded'>) {
    this.timer = setInterval(() => {
      const now = Date.now();
      this.closeWhere(({ identity }) => identity.expiresAt <= now, 'TOKEN_EXPIRED');
    }, TICK_MS);
    this.timer.unref();
    control.onCloseConnection((id) => this.closeWhere((stream) => stream.id === id, 'CLOSED_BY_OPERATOR'));
    revocations.onAdded(() => this.closeWhere(({ identity }) => revocations.covers(identity), 'REVOKED'));
  }

  /** The returned function takes it out again. */
  add(stream: OpenStream): () => void {
    this.streams.add(stream);
    return () => this.streams.delete(stream);
  }

  get size(): number {
    return this.streams.size;
  }

  stop(): void {
    clearInterval(this.timer);
    this.closeWhere(() => true, 'SERVER_STOPPED');
  }

  private closeWhere(holds: (stream: OpenStream) => boolean, reason: CloseReason): void {
    for (const stream of [...this.streams]) if (holds(stream)) stream.close(reason);
  }
}
