import { startBroker } from '../../broker/server.ts';
import { startIngest } from '../../ingest/ingest.ts';
import { Admission } from '../../shared/admission/index.ts';
import { Revocations } from '../../shared/auth/revocations.ts';
import { createTokenVerifier } from '../../shared/auth/verify.ts';
import { createControl } from '../../shared/connections/control.ts';
import { RedisPlaces } from '../../shared/connections/redis-places.ts';
import type { Queries } from '../../shared/database/index.ts';
import type { Emitter } from '../../shared/emitter/index.ts';
import { newProcessId } from '../../shared/liveness/process-id.ts';
import { RedisLiveness } from '../../shared/liveness/redis.ts';
import { createPublisher } from '../../shared/messages/publisher.ts';
import { createDirectPositionLog } from '../../shared/position-log/direct.ts';
import { ClusteredPresence } from '../../shared/presence/clustered.ts';
import type { SessionStore } from '../../shared/session-store/index.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';
import { startTrips } from '../../shared/trips/trips.ts';
import { TEST_SECRET } from './platform.ts';
import { testRedis } from './redis.ts';
import { silent } from './trip-database.ts';

export type BrokerNode = {
  port: number;
  processId: string;
  /** Nothing of this topic arrives here from now on, as when Redis' pub/sub has lost it. */
  misses(topic: string): void;
  stop(): Promise<void>;
};

export type Shared = { queries: Queries; emitter: Emitter; sessionStore: SessionStore; redisPrefix: string };

const admissionSettings = {
  locationMinIntervalMs: 0,
  backlogMaxPerMinute: 6000,
  historyRetentionDays: 7,
  maxQueuedPositions: 1000,
};
const tripSettings = {
  etaDetourFactor: 1.2,
  osrmUrl: undefined,
  arrivalRadiusMeters: 75,
  autoArrive: false,
};

/** One of several brokers of a cluster, put together as main.ts does, in the test's own process. */
export async function startBrokerNode({
  queries,
  emitter,
  sessionStore,
  redisPrefix,
}: Shared): Promise<BrokerNode> {
  const missed = new Set<string>();
  const own: Emitter = {
    on: (topic, listener, done) =>
      emitter.on(
        topic,
        (message, handled) => (missed.has(topic) ? handled() : listener(message, handled)),
        done,
      ),
    removeListener: (topic, listener, done) => emitter.removeListener(topic, listener, done),
    emit: (message, done) => emitter.emit(message, done),
    close: (done) => done(),
  };
  const redis = testRedis(redisPrefix);
  const log = silent;
  const metrics = createMetrics();
  const publisher = createPublisher(own, sessionStore);
  const liveness = await RedisLiveness.start({ redis, processId: newProcessId(), log });
  const ingest = await startIngest({
    queries,
    liveness,
    publisher,
    settings: admissionSettings,
    metrics,
    log,
  });
  const presence = await ClusteredPresence.start({
    redis,
    liveness,
    publisher,
    save: ingest.setDriverStatus,
    stored: async () => ingest.storedStatuses,
    graceMs: 500,
    staleAfterMs: 60_000,
    sweepMs: 50,
    log,
  });
  const places = new RedisPlaces({ redis, maxPerDriver: 3, refreshMs: 400, log });
  const trips = await startTrips({
    queries,
    publisher,
    settings: tripSettings,
    lastMessageAt: ingest.lastTripMessageAt,
    setOnTrip: (driverId, onTrip, at) => presence.setOnTrip(driverId, onTrip, at),
    wakeRelay: ingest.wakeRelay,
    log,
  });
  const positionLog = createDirectPositionLog({
    ...admissionSettings,
    write: ingest.writePositions,
    newest: ingest.newestPositions,
    events: ingest.commitEvents,
    tripOf: (driverId, kind, recordedAt) => trips.active.tripIdOf(driverId, kind, recordedAt),
  });
  const revocations = new Revocations([]);
  const broker = await startBroker({
    host: '127.0.0.1',
    settings: { port: 0, wsPort: 0, wsCompression: false, tls: undefined, maxConnectionsPerDriver: 3 },
    verifier: await createTokenVerifier({ secret: TEST_SECRET, dataDir: '' }, () => undefined),
    admission: new Admission({
      ...admissionSettings,
      log: positionLog,
      deliver: (position, written) => trips.feed.deliver(position, written),
      seen: (driverId, at) => presence.seen(driverId, at),
      metrics,
      logger: log,
    }),
    presence,
    places,
    connectionLog: ingest.connectionLog,
    control: createControl(own),
    revocations,
    trips: trips.store,
    followStates: trips.followStates,
    locationSnapshot: (driverId, tripId) => trips.feed.snapshot(driverId, tripId),
    publisher,
    emitter: own,
    sessionStore,
    metrics,
    log,
  });
  return {
    port: broker.ports.mqtt,
    processId: liveness.processId,
    misses: (topic) => missed.add(topic),
    async stop() {
      await broker.stop(() => positionLog.close(1000));
      places.stop();
      trips.stop();
      await presence.stop();
      await ingest.stop();
      await liveness.stop();
      revocations.stop();
      redis.close();
    },
  };
}
