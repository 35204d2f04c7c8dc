import type { Queries } from '../database/index.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Revocations } from './revocations.ts';
import { recentRevocations } from './sql-revocations.ts';

/** SPEC section 8: within 1 s. */
const EVERY_MS = 500;
/** What was begun before a reading may be committed after it: no statement takes longer than 30 s. */
const OVERLAP_MS = 60_000;

/**
 * Reads from the database what has been revoked. Messages tell it at once, but one may be lost with whoever sent it, and none comes
 * while Redis is away.
 */
export class RevocationReader {
  private readonly queries: Queries;
  private readonly revocations: Revocations;
  private readonly log: Logger;
  private timer: NodeJS.Timeout | undefined;
  /** Up to when (epoch ms) all is known: at first, since what was loaded at the start of the process. */
  private readUntil = Date.now() - process.uptime() * 1000;
  private isFailing = false;
  private isStopped = false;

  constructor(queries: Queries, revocations: Revocations, log: Logger) {
    this.queries = queries;
    this.revocations = revocations;
    this.log = log;
    void this.read();
  }

  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  private async read(): Promise<void> {
    const startedAt = Date.now();
    try {
      const seconds = Math.max(0, startedAt - this.readUntil + OVERLAP_MS) / 1000;
      for (const revocation of await recentRevocations(this.queries, seconds))
        this.revocations.add(revocation);
      this.readUntil = startedAt;
      this.isFailing = false;
    } catch (error) {
      // Once: a database that is away is told of by others
      if (!this.isFailing) this.log.warn({ err: error }, 'revocations could not be read again');
      this.isFailing = true;
    }
    if (!this.isStopped) this.timer = setTimeout(() => void this.read(), EVERY_MS);
  }
}
