import type { Queries } from '../../shared/database/index.ts';
import type { Emitter } from '../../shared/emitter/index.ts';
import type { Publisher } from '../../shared/messages/publisher.ts';
import type { GroupCommitEvents, WritePositions } from '../../shared/position-log/group-commit.ts';
import type { DriverTrips } from '../../shared/position-log/redis/driver-trips.ts';
import type { Shards } from '../../shared/position-log/redis/shards.ts';
import { onReady } from '../../shared/redis/connection.ts';
import type { RedisConnections } from '../../shared/redis/connections.ts';
import type { Logger } from '../../shared/telemetry/log.ts';
import type { Metrics } from '../../shared/telemetry/metrics.ts';
import { watch } from '../../shared/telemetry/watch.ts';
import type { TripStore } from '../../shared/trips/store.ts';
import { createDeadLetters } from './dead-letters.ts';
import { LogWorker } from './log-worker.ts';
import { TransitionWorker } from './transition-worker.ts';

export type LogWorkersOptions = {
  redis: RedisConnections;
  shards: Shards;
  queries: Queries;
  writePositions: WritePositions;
  events: Required<GroupCommitEvents>;
  driverTrips: DriverTrips;
  trips: TripStore;
  publisher: Publisher;
  emitter: Emitter;
  metrics: Metrics;
  log: Logger;
};

export type RunningLogWorkers = {
  /** Positions in the log, and the age (ms) of the oldest. */
  pending(): number;
  lagMs(now: number): number;
  stop(): Promise<void>;
};

/** Redis may lose what it was told of trips: by a restart, or by a process that died before it came to that. What was set aside is counted. */
const RESTORE_EVERY_MS = 30_000;

/** What ingest does in a cluster: takes positions and transitions out of their logs, and keeps the log told of trips. */
export async function startLogWorkers(options: LogWorkersOptions): Promise<RunningLogWorkers> {
  const { redis, queries, driverTrips, metrics, log } = options;
  const letters = redis.connect('dead-letters');
  const lettersKey = redis.key('dead-letters');
  const deadLetters = createDeadLetters(letters, lettersKey, log);
  const positions = new LogWorker({
    ...options,
    write: options.writePositions,
    deadLetters,
    malformed: (entries) => metrics.deadLetters.count('entry', entries),
  });
  const transitions = new TransitionWorker({ ...options, deadLetters });
  const restore = () =>
    driverTrips
      .restore(queries)
      .catch((error: unknown) => log.debug({ err: error }, 'the log could not be told of the running trips'));
  let kept = 0;
  const look = () =>
    letters.xlen(lettersKey).then(
      (length) => {
        kept = length;
      },
      (error: unknown) => log.debug({ err: error }, 'what was set aside could not be counted'),
    );
  watch(
    metrics.registry,
    'fleetcast_dead_letters_kept',
    'What was set aside and is there to be looked at (of the whole cluster, as of half a minute ago)',
    () => kept,
  );
  onReady(letters, restore);
  const timer = setInterval(() => void Promise.all([restore(), look()]), RESTORE_EVERY_MS);
  await Promise.all([restore(), look()]);
  return {
    pending: () => positions.pending(),
    lagMs: (now) => positions.lagMs(now),
    async stop() {
      clearInterval(timer);
      await Promise.all([positions.stop(), transitions.stop()]);
      letters.disconnect();
    },
  };
}
