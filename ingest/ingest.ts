import type { AdmissionSettings } from '../shared/config.ts';
import type { Queries } from '../shared/database/index.ts';
import type { SetDriverStatus } from '../shared/driver-status/index.ts';
import type { GroupCommitEvents, WritePositions } from '../shared/position-log/group-commit.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import type { Metrics } from '../shared/telemetry/metrics.ts';
import { keepPartitionsAhead } from './partitions.ts';
import { createPositionWriter } from './positions.ts';
import { DAY_MS } from './sql/create-partition.ts';
import { newestPositions } from './sql/newest-positions.ts';
import { setDriverStatus } from './sql/set-driver-status.ts';

export type IngestOptions = {
  queries: Queries;
  settings: Pick<AdmissionSettings, 'historyRetentionDays'>;
  metrics: Metrics;
  log: Logger;
};

export type RunningIngest = {
  writePositions: WritePositions;
  setDriverStatus: SetDriverStatus;
  commitEvents: GroupCommitEvents;
  /** recordedAt (epoch ms) of the current position of each driver that was heard of in the last day. */
  newestPositions: ReadonlyMap<string, number>;
  stop(): void;
};

/** The writer of positions, and what it needs at hand: partitions for every day that a position may fall into. */
export async function startIngest({
  queries,
  settings,
  metrics,
  log,
}: IngestOptions): Promise<RunningIngest> {
  const stopPartitions = await keepPartitionsAhead(queries, settings.historyRetentionDays, log);
  return {
    writePositions: createPositionWriter(queries, {
      poison: (position, error) =>
        log.error(
          { err: error, driverId: position.driverId, recordedAt: position.recordedAt },
          'the database refuses this position for good; it is set aside',
        ),
    }),
    setDriverStatus: (driverId, status, at) => setDriverStatus(queries, driverId, status, at),
    commitEvents: {
      committed(positions) {
        metrics.batch.observe(positions.length);
        const now = Date.now();
        for (const { receivedAt } of positions) metrics.store.observe((now - receivedAt) / 1000);
      },
      retrying(error, attempt, positions) {
        metrics.storeRetries.inc();
        log.warn({ err: error, attempt, positions }, 'positions could not be stored; trying again');
      },
    },
    newestPositions: await newestPositions(queries, Date.now() - DAY_MS),
    stop: stopPartitions,
  };
}
