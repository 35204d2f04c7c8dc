import type { Identity } from '../../shared/auth/identity.ts';
import type { Revocations } from '../../shared/auth/revocations.ts';
import type { Control } from '../../shared/connections/control.ts';
import type { CloseReason } from '../../shared/connections/index.ts';
import type { Logger } from '../../shared/telemetry/log.ts';

export type OpenStream = { id: string; identity: Identity; close(reason: CloseReason): void };

/** Often enough to end a stream within 1 s of its token's end. */
const TICK_MS = 500;

/** Every event stream of this process, ended with its token, by an operator, by a revocation, and when the process stops. */
export class OpenStreams {
  private readonly streams = new Set<OpenStream>();
  private readonly timer: NodeJS.Timeout;
  private readonly revocations: Pick<Revocations, 'covers' | 'onAdded'>;
  private readonly log: Logger;

  constructor(control: Control, revocations: Pick<Revocations, 'covers' | 'onAdded'>, log: Logger) {
    this.revocations = revocations;
    this.log = log;
    this.timer = setInterval(() => {
      const now = Date.now();
      this.closeWhere(({ identity }) => identity.expiresAt <= now, 'TOKEN_EXPIRED');
    }, TICK_MS);
    this.timer.unref();
    control.onCloseConnection((id) => this.closeWhere((stream) => stream.id === id, 'CLOSED_BY_OPERATOR'));
    revocations.onAdded(() => this.closeWhere(({ identity }) => revocations.covers(identity), 'REVOKED'));
  }

  /** The returned function takes it out again. One whose token was revoked since it was checked is closed at once. */
  add(stream: OpenStream): () => void {
    this.streams.add(stream);
    if (this.revocations.covers(stream.identity)) stream.close('REVOKED');
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
    for (const stream of [...this.streams]) {
      if (!holds(stream)) continue;
      if (reason === 'CLOSED_BY_OPERATOR' || reason === 'REVOKED')
        this.log.info(
          { connectionId: stream.id, sub: stream.identity.sub, reason },
          'connection closed by us',
        );
      stream.close(reason);
    }
  }
}
