import type { AdmissionSettings } from '../shared/config.ts';
import type { Queries } from '../shared/database/index.ts';
import type { Publisher } from '../shared/messages/publisher.ts';
import type { GroupCommitEvents, WritePositions } from '../shared/position-log/group-commit.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import type { Metrics } from '../shared/telemetry/metrics.ts';
import { LateTracks } from './late-tracks.ts';
import { OutboxRelay, type Prepare } from './outbox.ts';
import { keepPartitionsAhead } from './partitions.ts';
import { createPositionWriter } from './positions.ts';

export type IngestOptions = {
  queries: Queries;
  publisher: Publisher;
  settings: Pick<AdmissionSettings, 'historyRetentionDays'>;
  beforePublish?: Prepare;
  metrics: Metrics;
  log: Logger;
};

export type RunningIngest = {
  writePositions: WritePositions;
  /** A trip has changed: its message goes out at once. */
  wakeRelay(): void;
  events: Required<GroupCommitEvents>;
  stop(): Promise<void>;
};

/** The writer of positions with the partitions that it needs, and the relay of committed trip changes. */
export async function startIngest({
  queries,
  publisher,
  settings,
  beforePublish,
  metrics,
  log,
}: IngestOptions): Promise<RunningIngest> {
  const stopPartitions = await keepPartitionsAhead(queries, settings.historyRetentionDays, log);
  const lateTracks = new LateTracks(queries, log);
  const relay = new OutboxRelay(queries, publisher, log, beforePublish);
  return {
    writePositions: createPositionWriter(queries, {
      poison: (position, error) =>
        log.error(
          { err: error, driverId: position.driverId, recordedAt: position.recordedAt },
          'the database refuses this position for good; it is set aside',
        ),
    }),
    events: {
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
    wakeRelay: () => relay.wake(),
    async stop() {
      stopPartitions();
      await lateTracks.stop();
      await relay.stop();
    },
  };
}
