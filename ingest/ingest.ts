import type { AdmissionSettings } from '../shared/config.ts';
import type { Locks, Queries } from '../shared/database/index.ts';
import type { Emitter } from '../shared/emitter/index.ts';
import type { Publisher } from '../shared/messages/publisher.ts';
import type { GroupCommitEvents, WritePositions } from '../shared/position-log/group-commit.ts';
import type { Logger } from '../shared/telemetry/log.ts';
import type { Metrics } from '../shared/telemetry/metrics.ts';
import type { Traces } from '../shared/telemetry/traces/index.ts';
import { traceCommits } from '../shared/telemetry/traces/steps.ts';
import { topicFor } from '../shared/topics.ts';
import type { TripStatusMessage } from '../shared/trips/trip.ts';
import { LateTracks } from './late-tracks.ts';
import { OutboxRelay, type Prepare } from './outbox.ts';
import { keepPartitionsAhead } from './partitions.ts';
import { createPositionWriter } from './positions.ts';
import { keepOutOfArchiving } from './retention/overdue-writes.ts';
import { Retention } from './retention/retention.ts';
import { watchOutbox } from './watch-outbox.ts';

export type IngestOptions = {
  queries: Queries;
  locks: Locks;
  publisher: Publisher;
  emitter: Pick<Emitter, 'on'>;
  settings: Pick<AdmissionSettings, 'historyRetentionDays'>;
  /** Where days are archived before they are dropped; undefined: they are not archived. */
  archiveDir: string | undefined;
  beforePublish?: Prepare;
  metrics: Metrics;
  /** undefined: nothing is traced. */
  traces?: Traces | undefined;
  log: Logger;
};

export type RunningIngest = {
  writePositions: WritePositions;
  /** A trip has changed: its message goes out at once. */
  wakeRelay(): void;
  events: Required<GroupCommitEvents>;
  stop(): Promise<void>;
};

/** The writer of positions with the partitions that it needs, the relay of committed trip changes, and what takes old days away. */
export async function startIngest({
  queries,
  locks,
  publisher,
  emitter,
  settings: { historyRetentionDays },
  archiveDir,
  beforePublish,
  metrics,
  traces,
  log,
}: IngestOptions): Promise<RunningIngest> {
  const stopPartitions = await keepPartitionsAhead(queries, historyRetentionDays, log);
  const lateTracks = new LateTracks(queries, historyRetentionDays, log);
  emitter.on(topicFor('tripStatus', '+'), ({ payload }, done) => {
    const { driverId, status, at } = JSON.parse(payload.toString()) as TripStatusMessage;
    if (status === 'COMPLETED' && driverId !== null) lateTracks.completed(driverId, Date.parse(at));
    done();
  });
  const relay = new OutboxRelay(queries, publisher, log, beforePublish);
  const retention = new Retention({ queries, locks, historyRetentionDays, archiveDir, metrics, log });
  const stopWatching = watchOutbox(metrics.registry, queries, log);
  const writePositions = createPositionWriter(queries, {
    poison: (position, error) => {
      metrics.deadLetters.count('position');
      log.error(
        { err: error, driverId: position.driverId, recordedAt: position.recordedAt },
        'the database refuses this position for good; it is set aside',
      );
    },
  });
  return {
    writePositions: traceCommits(keepOutOfArchiving(writePositions, locks, historyRetentionDays), traces),
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
      stopWatching();
      await retention.stop();
      await lateTracks.stop();
      await relay.stop();
    },
  };
}
