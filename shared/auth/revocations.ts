import type { Revocation } from '../connections/control.ts';
import type { Identity } from './identity.ts';
import { TokenError } from './token-error.ts';
import type { TokenVerifier } from './verify.ts';

const SWEEP_EVERY_MS = 60_000;

/** Which tokens are refused though they are genuine. In memory: asked for every CONNECT and every request. */
export class Revocations {
  private readonly until = new Map<string, number>();
  private readonly timer: NodeJS.Timeout;
  private readonly listeners: (() => void)[] = [];
  private isTelling = false;

  constructor(known: readonly Revocation[]) {
    for (const revocation of known) this.add(revocation);
    this.timer = setInterval(() => this.sweep(Date.now()), SWEEP_EVERY_MS);
    this.timer.unref();
  }

  /** A later end wins, as it does in the table: otherwise a restart would change who is refused. */
  add({ kind, value, until }: Revocation): void {
    const key = `${kind} ${value}`;
    const known = this.until.get(key) ?? 0;
    if (until <= known) return;
    this.until.set(key, until);
    this.tell();
  }

  /** More is refused than before: what is open with it is to be closed. Once for all that come in one turn: each looks at every client. */
  onAdded(listener: () => void): void {
    this.listeners.push(listener);
  }

  covers({ sub, tokenId }: Pick<Identity, 'sub' | 'tokenId'>, now = Date.now()): boolean {
    return this.holds('sub', sub, now) || (tokenId !== undefined && this.holds('jti', tokenId, now));
  }

  /** How many this process holds. */
  get size(): number {
    return this.until.size;
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private tell(): void {
    if (this.isTelling || this.listeners.length === 0) return;
    this.isTelling = true;
    setImmediate(() => {
      this.isTelling = false;
      for (const listener of this.listeners) listener();
    });
  }

  private holds(kind: Revocation['kind'], value: string, now: number): boolean {
    return (this.until.get(`${kind} ${value}`) ?? 0) > now;
  }

  private sweep(now: number): void {
    for (const [key, until] of this.until) if (until <= now) this.until.delete(key);
  }
}

/** A verifier that also refuses what was revoked. */
export function withRevocations(verifier: TokenVerifier, revocations: Revocations): TokenVerifier {
  return {
    async verify(token) {
      const identity = await verifier.verify(token);
      if (revocations.covers(identity)) throw new TokenError('revoked', 'The token has been revoked');
      return identity;
    },
  };
}
