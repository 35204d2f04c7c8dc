import type { Registry } from 'prom-client';
import type { Queries } from '../shared/database/index.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import { watch } from '../shared/telemetry/watch.ts';
import { waitingOutbox } from './sql/waiting-outbox.ts';

/** Several looks between two scrapes; each costs one look at an index of what waits. */
const LOOK_EVERY_MS = 2000;

/**
 * Shows what waits to be published of trips, as of the last look that the database answered: while it is away the oldest goes on ageing. All
 * processes over one database see the same. @returns ends it
 */
export function watchOutbox(registry: Registry, queries: Queries, log: Logger): () => void {
  let known: { waiting: number; oldestAt: number | null } = { waiting: 0, oldestAt: null };
  let isLooking = false;
  const look = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    try {
      known = await waitingOutbox(queries);
    } catch (error) {
      log.debug({ err: error }, 'what waits to be published of trips is not known');
    }
    isLooking = false;
  };
  watch(
    registry,
    'fleetcast_outbox_entries',
    'Committed changes of trips that were not published yet (of the whole cluster; at most 10,000 are counted)',
    () => known.waiting,
  );
  watch(registry, 'fleetcast_outbox_age_seconds', 'Age of the oldest of them', () =>
    known.oldestAt === null ? 0 : Math.max(0, Date.now() - known.oldestAt) / 1000,
  );
  const timer = setInterval(() => void look(), LOOK_EVERY_MS);
  void look();
  return () => clearInterval(timer);
}
