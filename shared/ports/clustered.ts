import { RevocationReader } from '../auth/revocation-reader.ts';
import { createControl } from '../connections/control.ts';
import { RedisPlaces } from '../connections/redis-places.ts';
import { ConnectionWriter } from '../connections/writer.ts';
import { createClusterEmitter } from '../emitter/cluster.ts';
import { newProcessId } from '../liveness/process-id.ts';
import { RedisLiveness } from '../liveness/redis.ts';
import { receivedAtOf } from '../messages/positions.ts';
import { createPublisher } from '../messages/publisher.ts';
import { DriverTrips } from '../position-log/redis/driver-trips.ts';
import { settled } from '../position-log/redis/settled.ts';
import { Shards } from '../position-log/redis/shards.ts';
import { createRedisPositionLog } from '../position-log/redis.ts';
import { storedTimes } from '../position-log/sql/stored-times.ts';
import { ClusteredPresence } from '../presence/clustered.ts';
import { setDriverStatus } from '../presence/sql/set-driver-status.ts';
import { storedStatuses } from '../presence/sql/stored-statuses.ts';
import { call, checkReachable } from '../redis/connection.ts';
import { RedisConnections } from '../redis/connections.ts';
import { DAY_MS } from '../schemas/time.ts';
import { createRedisSessionStore } from '../session-store/redis.ts';
import { CircuitOpenError } from '../telemetry/circuits.ts';
import { KeptFollowStates } from '../trips/kept-follow-states.ts';
import { createLoggedDoor } from '../trips/transition-log.ts';
import { startTrips } from '../trips/trips.ts';
import type { Base } from './base.ts';

/** So long a start waits for Redis. */
const READY_WITHIN_MS = 10_000;
/** So long an erasure waits for what is still on its way to the database. */
const STORED_WITHIN_MS = 5000;

/** What brings a process and the others of its deployment together. */
async function join({ config, log, lifecycle, health, metrics, circuits }: Base, redisUrl: string) {
  const redis = new RedisConnections(redisUrl, config.redisPrefix, log, undefined, metrics);
  lifecycle.started('redis', () => redis.close());
  const commands = redis.connect('commands');
  circuits.add('redis', () => redis.circuit);
  health.add('redis', async () => {
    // Any of them: without the one that hears the others' messages, say, this process is not what it should be
    if (redis.circuit !== 'closed') throw new CircuitOpenError('redis');
    await checkReachable(commands);
  });
  const liveness = await RedisLiveness.start({ redis, processId: newProcessId(), log });
  lifecycle.started('liveness', () => liveness.stop());
  const emitter = createClusterEmitter({
    connections: redis,
    log,
    onDropped: (count) => metrics.dropped.count('emitter', count),
    onDelivered({ topic, payload }) {
      const receivedAt = topic.endsWith('/location') ? receivedAtOf(payload) : undefined;
      if (receivedAt !== undefined)
        metrics.remoteDelivery.observe(Math.max(0, Date.now() - receivedAt) / 1000);
    },
  });
  lifecycle.started('emitter', () => new Promise<void>((resolve) => emitter.close(resolve)));
  emitter.onGap(() => metrics.gaps.inc());
  const sessionStore = createRedisSessionStore({
    maxQueued: config.mqtt.limits.maxQueuedMessages,
    connections: redis,
    emitter,
    onDropped: () => metrics.dropped.count('queue_full'),
    log,
  });
  lifecycle.started('session store', () => sessionStore.destroy());
  await redis.ready(READY_WITHIN_MS);
  await emitter.joined(READY_WITHIN_MS);
  await sessionStore.loaded(READY_WITHIN_MS);
  log.info({ redis: redis.description, processId: liveness.processId }, 'joined the others');
  return { redis, commands, liveness, emitter, sessionStore };
}

/** The ports of one of many processes: over Redis, and what is admitted is kept there until an ingest has committed it. */
export async function openClustered(base: Base, redisUrl: string) {
  const { config, log, lifecycle, queries } = base;
  const { redis, commands, liveness, emitter, sessionStore } = await join(base, redisUrl);
  const control = createControl(emitter);
  control.onRevoke((revocation) => base.revocations.add(revocation));
  const revocationReader = new RevocationReader(queries, base.revocations, log);
  lifecycle.started('revocations', () => revocationReader.stop());
  const publisher = createPublisher(emitter, sessionStore);
  const connectionLog = await ConnectionWriter.start({ queries, liveness, log });
  lifecycle.started('connections', () => connectionLog.stop());
  const presence = await ClusteredPresence.start({
    redis,
    liveness,
    publisher,
    save: (driverId, status, at) => setDriverStatus(queries, driverId, status, at),
    stored: () => storedStatuses(queries),
    graceMs: config.offlineGraceMs,
    staleAfterMs: config.api.driverStaleAfterMs,
    log,
  });
  lifecycle.started('presence', () => presence.stop());
  const shards = new Shards(redis, config.redisLogShards);
  const driverTrips = new DriverTrips(commands, shards, (config.admission.historyRetentionDays + 1) * DAY_MS);
  const followStates = new KeptFollowStates(commands, redis);
  const trips = await startTrips({
    queries,
    publisher,
    settings: config.trips,
    shared: { driverTrips, followStates, emitter },
    // Sessions are kept: nobody has missed a message by a restart
    lastMessageAt: undefined,
    circuits: base.circuits,
    setOnTrip: (driverId, onTrip, at) => presence.setOnTrip(driverId, onTrip, at),
    wakeRelay: control.wakeRelay,
    log,
  });
  lifecycle.started('trips', () => trips.stop());
  control.onErase((erasure) => {
    const erased =
      erasure.kind === 'trip'
        ? followStates.erase(erasure.tripId)
        : driverTrips.erase(erasure.driverId, erasure.before);
    if (erasure.kind === 'positions') trips.feed.erase(erasure.driverId, erasure.before);
    erased.catch((error: unknown) => log.warn({ err: error }, 'Redis could not be told of an erasure'));
  });
  const positionLog = createRedisPositionLog({
    ...config.admission,
    redis,
    shards: config.redisLogShards,
    stored: (driverId, times, receivedAt) => storedTimes(queries, driverId, times, receivedAt),
    log,
  });
  base.circuits.add('position_log', () => positionLog.circuit());
  const transitions = createLoggedDoor(redis, emitter);
  const places = new RedisPlaces({ redis, maxPerDriver: config.mqtt.maxConnectionsPerDriver, log });
  lifecycle.started('places', () => places.stop());
  await redis.ready(READY_WITHIN_MS);
  return {
    redis,
    shards,
    driverTrips,
    emitter,
    control,
    sessionStore,
    publisher,
    connectionLog,
    places,
    presence,
    trips,
    positionLog,
    transitions,
    sharedCounts: {
      prefix: redis.key('requests:'),
      send: (...words: string[]) => call(commands, words),
    },
    untilStored: (driverId: string) =>
      settled(commands, shards, driverId, STORED_WITHIN_MS).catch((error: unknown) => {
        log.warn({ err: error }, 'the log could not be asked what it has of a driver');
        return false;
      }),
    onGap: emitter.onGap.bind(emitter),
  };
}
