import type { Message, Publisher } from '../../shared/messages/publisher.ts';
import { Presence } from '../../shared/presence/presence.ts';
import type { DriverStatus } from '../../shared/schemas/driver-status.ts';
import { createLogger } from '../../shared/telemetry/log.ts';

export const GRACE_MS = 1000;
export const STALE_MS = 300_000;

/** What the database holds of bob: as the statement has it, an older time changes nothing. */
class StoredStatus {
  status: DriverStatus | undefined;
  saves = 0;
  away = false;
  private at = Number.NEGATIVE_INFINITY;

  save(status: DriverStatus, at: number): void {
    if (this.away) throw new Error('the database is away');
    this.saves++;
    if (at < this.at) return;
    this.status = status;
    this.at = at;
  }
}

/** The presence of a driver called bob, with what is stored of it and what everybody is told. */
export function presenceOfBob() {
  const stored = new StoredStatus();
  const published: DriverStatus[] = [];
  const publisher: Publisher = {
    stream() {
      throw new Error('statuses are no stream');
    },
    async notify({ topic, payload, retain }: Message) {
      if (topic !== 'drivers/bob/status' || !retain) throw new Error(`${topic}, retained: ${retain}`);
      published.push((JSON.parse(payload.toString()) as { status: DriverStatus }).status);
    },
  };
  const presence = new Presence({
    publisher,
    save: async (_driverId, status, at) => stored.save(status, at),
    graceMs: GRACE_MS,
    staleAfterMs: STALE_MS,
    log: createLogger('silent'),
  });
  return {
    presence,
    stored,
    published,
    report: (status: 'ONLINE' | 'BUSY' | 'OFFLINE') => presence.report('bob', status, Date.now()),
    /** What was told last, and what is stored: they are to say the same. */
    now: () => ({ told: published.at(-1), stored: stored.status }),
  };
}
