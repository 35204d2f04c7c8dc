import { Gauge, type Registry } from 'prom-client';
import type { Config } from '../config.ts';
import type { PositionLog } from '../position-log/index.ts';

/** Shows a number as it is at the time of a scrape. */
export function watch(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}

/**
 * Shows what the logs of this process hold, all together. Every ingest tells of the one log that a cluster shares: of those the greatest
 * is the cluster's, not their sum; the others tell of what they hold themselves. `capacity`: MAX_QUEUED_POSITIONS.
 */
export function watchLogs(
  registry: Registry,
  logs: readonly Pick<PositionLog, 'pending' | 'lagMs'>[],
  capacity: number,
): void {
  watch(registry, 'fleetcast_log_entries', 'Positions admitted and not yet committed', () =>
    logs.reduce((sum, log) => sum + log.pending(), 0),
  );
  watch(
    registry,
    'fleetcast_log_lag_seconds',
    'Age of the oldest position that is not yet committed',
    () => Math.max(0, ...logs.map((log) => log.lagMs(Date.now()))) / 1000,
  );
  watch(
    registry,
    'fleetcast_log_capacity',
    'Positions that may wait before senders are told OVERLOADED (MAX_QUEUED_POSITIONS)',
    () => capacity,
  );
}

/** Always 1: what runs here. clustered: over Redis, one of many. */
export function showBuild(
  registry: Registry,
  version: string,
  { role, redisUrl }: Pick<Config, 'role' | 'redisUrl'>,
): void {
  const mode = redisUrl === undefined ? 'embedded' : 'clustered';
  new Gauge({
    name: 'fleetcast_build_info',
    help: 'What this process runs, and as what',
    labelNames: ['version', 'role', 'mode'],
    registers: [registry],
  }).set({ version, role, mode }, 1);
}
