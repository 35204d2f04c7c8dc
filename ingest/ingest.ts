import type { AdmissionSettings } from '../shared/config.ts';
import type { ConnectionLog } from '../shared/connections/index.ts';
import type { Queries } from '../shared/database/index.ts';
import type { Liveness } from '../shared/liveness/index.ts';
import type { Publisher } from '../shared/messages/publisher.ts';
import type { GroupCommitEvents, WritePositions } from '../shared/position-log/group-commit.ts';
import type { DriverStatus } from '../shared/schemas/driver-status.ts';
import { DAY_MS } from '../shared/schemas/time.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import type { Metrics } from '../shared/telemetry/metrics.ts';
import { ConnectionWriter } from './connections.ts';
import { LateTracks } from './late-tracks.ts';
import { OutboxRelay } from './outbox.ts';
import { keepPartitionsAhead } from './partitions.ts';
import { createPositionWriter } from './positions.ts';
import { newestPositions } from './sql/newest-positions.ts';
import { lastOutboxTime } from './sql/prune-outbox.ts';
import { setDriverStatus } from './sql/set-driver-status.ts';
import { type StoredStatus, storedStatuses } from './sql/stored-statuses.ts';

export type IngestOptions = {
  queries: Queries;
  liveness: Liveness;
  publisher: Publisher;
  settings: Pick<AdmissionSettings, 'historyRetentionDays'>;
  metrics: Metrics;
  log: Logger;
};

export type RunningIngest = {
  writePositions: WritePositions;
  setDriverStatus(driverId: string, status: DriverStatus, at: number): Promise<void>;
  /** What drivers counted as when the last process ended. */
  storedStatuses: readonly StoredStatus[];
  /** When the last trip message before this start was written, epoch ms. */
  lastTripMessageAt: number | undefined;
  connectionLog: ConnectionLog;
  /** A trip has changed: its message goes out at once. */
  wakeRelay(): void;
  commitEvents: GroupCommitEvents;
  /** recordedAt (epoch ms) of the current position of each driver that may still send an older one. */
  newestPositions: ReadonlyMap<string, number>;
  stop(): Promise<void>;
};

/** The writer of positions with the partitions that it needs, and the relay of committed trip changes. */
export async function startIngest({
  queries,
  liveness,
  publisher,
  settings,
  metrics,
  log,
}: IngestOptions): Promise<RunningIngest> {
  const stopPartitions = await keepPartitionsAhead(queries, settings.historyRetentionDays, log);
  const lastTripMessageAt = await lastOutboxTime(queries);
  const lateTracks = new LateTracks(queries, log);
  const connections = await ConnectionWriter.start({ queries, liveness, log });
  const relay = new OutboxRelay(queries, publisher, log);
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
        lateTracks.committed(positions);
        metrics.batch.observe(positions.length);
        const now = Date.now();
        for (const { receivedAt } of positions) metrics.store.observe((now - receivedAt) / 1000);
      },
      retrying(error, attempt, positions) {
        metrics.storeRetries.inc();
        log.warn({ err: error, attempt, positions }, 'positions could not be stored; trying again');
      },
    },
    storedStatuses: await storedStatuses(queries),
    lastTripMessageAt,
    connectionLog: connections,
    wakeRelay: () => relay.wake(),
    newestPositions: await newestPositions(queries, Date.now() - settings.historyRetentionDays * DAY_MS),
    async stop() {
      stopPartitions();
      await connections.stop();
      await lateTracks.stop();
      await relay.stop();
    },
  };
}
