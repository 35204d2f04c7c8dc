import { startApi } from './api/server.ts';
import { startBroker } from './broker/server.ts';
import { ConnectionWriter } from './ingest/connections.ts';
import { startIngest } from './ingest/ingest.ts';
import { startLogWorkers } from './ingest/log/workers.ts';
import { newestPositions } from './ingest/sql/newest-positions.ts';
import { lastOutboxTime } from './ingest/sql/prune-outbox.ts';
import { setDriverStatus } from './ingest/sql/set-driver-status.ts';
import { storedStatuses } from './ingest/sql/stored-statuses.ts';
import { Admission } from './shared/admission/index.ts';
import { Revocations, withRevocations } from './shared/auth/revocations.ts';
import { KeySetupError } from './shared/auth/settings.ts';
import { createTokenSigner } from './shared/auth/sign.ts';
import { loadRevocations } from './shared/auth/sql-revocations.ts';
import { createTokenVerifier } from './shared/auth/verify.ts';
import { archiveDirProblems } from './shared/config/archive-dir.ts';
import { tlsFileProblems } from './shared/config/tls-files.ts';
import { type Config, ConfigError, readConfig } from './shared/config.ts';
import { createControl } from './shared/connections/control.ts';
import { createMemoryPlaces } from './shared/connections/memory-places.ts';
import { RedisPlaces } from './shared/connections/redis-places.ts';
import { openEmbeddedDatabase } from './shared/database/embedded.ts';
import type { Database } from './shared/database/index.ts';
import { migrate } from './shared/database/migrate.ts';
import { connectPostgres } from './shared/database/postgres.ts';
import { createClusterEmitter } from './shared/emitter/cluster.ts';
import { createMemoryEmitter } from './shared/emitter/memory.ts';
import { loadEnvFile } from './shared/env-file.ts';
import { Health } from './shared/health.ts';
import { Lifecycle, stopOnSignals } from './shared/lifecycle.ts';
import { newProcessId } from './shared/liveness/process-id.ts';
import { RedisLiveness } from './shared/liveness/redis.ts';
import { createSoleLiveness } from './shared/liveness/sole.ts';
import { createPublisher } from './shared/messages/publisher.ts';
import { createDirectPositionLog } from './shared/position-log/direct.ts';
import { DriverTrips } from './shared/position-log/redis/driver-trips.ts';
import { Shards } from './shared/position-log/redis/shards.ts';
import { storedTimes } from './shared/position-log/redis/stored-times.ts';
import { createRedisPositionLog } from './shared/position-log/redis.ts';
import { ClusteredPresence } from './shared/presence/clustered.ts';
import { Presence } from './shared/presence/presence.ts';
import { RedisConnections } from './shared/redis/connections.ts';
import { DAY_MS } from './shared/schemas/time.ts';
import { createMemorySessionStore } from './shared/session-store/memory.ts';
import { createRedisSessionStore } from './shared/session-store/redis.ts';
import { createLogger, type Logger } from './shared/telemetry/log.ts';
import { createMetrics, watchLogs } from './shared/telemetry/metrics.ts';
import { startMetricsServer } from './shared/telemetry/metrics-server.ts';
import { createDirectDoor } from './shared/trips/transition-door.ts';
import { createLoggedDoor } from './shared/trips/transition-log.ts';
import { startTrips } from './shared/trips/trips.ts';
import { welcome } from './shared/welcome.ts';

const DRAIN_MS = 10_000;
/** So long a start waits for Redis. */
const READY_WITHIN_MS = 10_000;

/** What every role has, whatever stands behind it. */
type Base = Awaited<ReturnType<typeof openBase>>;

async function openBase(config: Config, log: Logger, lifecycle: Lifecycle, end: (status: number) => void) {
  const health = new Health();
  const metrics = createMetrics();
  const genuine = await createTokenVerifier(config.jwt, (error) => log.error({ err: error }, 'signing keys'));
  const database = await openDatabase(config, log, end);
  lifecycle.started('database', () => database.close());
  health.add('database', async () => void (await database.queries.one('select 1')));
  const migrated = await migrate(database.connectionString, log);
  log.info({ database: database.description, migrated }, 'database ready');
  const revocations = new Revocations(await loadRevocations(database.queries));
  lifecycle.started('revocations', () => revocations.stop());
  const verifier = withRevocations(genuine, revocations);
  const { queries, locks } = database;
  return { config, log, lifecycle, health, metrics, queries, locks, revocations, verifier };
}

async function openDatabase(config: Config, log: Logger, end: (status: number) => void): Promise<Database> {
  if (config.databaseUrl !== undefined) return connectPostgres(config.databaseUrl, config.databasePoolSize);
  log.info(
    { dataDir: config.dataDir },
    'waiting for the embedded database (a first start creates it: about 10 s)',
  );
  return openEmbeddedDatabase(config.dataDir, (error) => {
    log.fatal({ err: error }, 'the embedded database is lost');
    end(1);
  });
}

/** What the rooms share, for one process alone: in memory, and what is admitted is committed by the process itself. */
async function openAlone({ config, log, lifecycle, metrics, queries, locks }: Base) {
  const emitter = createMemoryEmitter();
  const control = createControl(emitter);
  const sessionStore = createMemorySessionStore(() => metrics.dropped.inc({ reason: 'queue_full' }));
  const publisher = createPublisher(emitter, sessionStore);
  // Before the relay starts, and writes some itself
  const lastMessageAt = await lastOutboxTime(queries);
  const ingest = await startIngest({
    queries,
    locks,
    publisher,
    settings: config.admission,
    archiveDir: config.archiveDir,
    metrics,
    log,
  });
  lifecycle.started('ingest', () => ingest.stop());
  control.onWakeRelay(() => ingest.wakeRelay());
  const connectionLog = await ConnectionWriter.start({
    queries,
    liveness: createSoleLiveness(newProcessId()),
    log,
  });
  lifecycle.started('connections', () => connectionLog.stop());
  const presence = new Presence({
    publisher,
    save: (driverId, status, at) => setDriverStatus(queries, driverId, status, at),
    graceMs: config.offlineGraceMs,
    staleAfterMs: config.api.driverStaleAfterMs,
    log,
  });
  lifecycle.started('presence', () => presence.stop());
  await presence.restore(await storedStatuses(queries));
  const trips = await startTrips({
    queries,
    publisher,
    settings: config.trips,
    shared: undefined,
    lastMessageAt,
    setOnTrip: (driverId, onTrip) => presence.setOnTrip(driverId, onTrip),
    wakeRelay: ingest.wakeRelay,
    log,
  });
  lifecycle.started('trips', () => trips.stop());
  control.onErase((erasure) => {
    if (erasure.kind === 'positions') trips.feed.erase(erasure.driverId, erasure.before);
  });
  const positionLog = createDirectPositionLog({
    ...config.admission,
    write: ingest.writePositions,
    newest: await newestPositions(queries, Date.now() - config.admission.historyRetentionDays * DAY_MS),
    events: ingest.events,
    tripOf: (driverId) => trips.active.ofDriver(driverId),
  });
  return {
    emitter,
    control,
    sessionStore,
    publisher,
    connectionLog,
    places: createMemoryPlaces(config.mqtt.maxConnectionsPerDriver),
    presence,
    trips,
    positionLog,
    logs: [positionLog],
    transitions: createDirectDoor(trips.store),
    sharedCounts: undefined,
    onGap: (_listener: () => void) => undefined,
  };
}

/** The same for one of many processes: over Redis, and what is admitted is kept there until ingest has committed it. */
async function openClustered(base: Base, redisUrl: string) {
  const { config, log, lifecycle, health, metrics, queries, locks, revocations } = base;
  const redis = new RedisConnections(redisUrl, config.redisPrefix, log);
  lifecycle.started('redis', () => redis.close());
  const shards = new Shards(redis, config.redisLogShards);
  const commands = redis.connect('commands');
  health.add('redis', async () => void (await commands.ping()));
  const liveness = await RedisLiveness.start({ redis, processId: newProcessId(), log });
  lifecycle.started('liveness', () => liveness.stop());
  const emitter = createClusterEmitter({
    connections: redis,
    log,
    onDropped: (count) => metrics.dropped.inc({ reason: 'emitter' }, count),
  });
  const control = createControl(emitter);
  const reload = async () => {
    for (const revocation of await loadRevocations(queries)) revocations.add(revocation);
  };
  emitter.onGap(() => {
    reload().catch((error: unknown) => log.warn({ err: error }, 'revocations could not be read again'));
  });
  const sessionStore = createRedisSessionStore({
    connections: redis,
    emitter,
    onDropped: () => metrics.dropped.inc({ reason: 'queue_full' }),
    log,
  });
  const publisher = createPublisher(emitter, sessionStore);
  await redis.ready(READY_WITHIN_MS);
  await emitter.joined(READY_WITHIN_MS);
  await sessionStore.loaded(READY_WITHIN_MS);
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
  const driverTrips = new DriverTrips(commands, shards, (config.admission.historyRetentionDays + 1) * DAY_MS);
  const trips = await startTrips({
    queries,
    publisher,
    settings: config.trips,
    shared: { driverTrips, emitter },
    // Sessions are kept: nobody has missed a message by a restart
    lastMessageAt: undefined,
    setOnTrip: (driverId, onTrip, at) => presence.setOnTrip(driverId, onTrip, at),
    wakeRelay: control.wakeRelay,
    log,
  });
  lifecycle.started('trips', () => trips.stop());
  control.onErase((erasure) => {
    if (erasure.kind !== 'positions') return;
    trips.feed.erase(erasure.driverId, erasure.before);
    driverTrips
      .erase(erasure.driverId, erasure.before)
      .catch((error: unknown) => log.warn({ err: error }, 'the log could not be told of an erasure'));
  });
  const positionLog = createRedisPositionLog({
    ...config.admission,
    redis,
    shards: config.redisLogShards,
    stored: (driverId, times, receivedAt) => storedTimes(queries, driverId, times, receivedAt),
    log,
  });
  await redis.ready(READY_WITHIN_MS);
  log.info({ redis: redis.description }, 'Redis ready');

  const workers = takesPart(config, 'ingest') ? await startWorkers() : undefined;
  return {
    emitter,
    control,
    sessionStore,
    publisher,
    connectionLog,
    places: new RedisPlaces({ redis, maxPerDriver: config.mqtt.maxConnectionsPerDriver, log }),
    presence,
    trips,
    positionLog,
    logs: [positionLog, ...(workers === undefined ? [] : [workers])],
    transitions: createLoggedDoor(redis, emitter),
    sharedCounts: {
      prefix: redis.key('requests:'),
      send: (...[command = '', ...args]: string[]) => commands.call(command, ...args),
    },
    onGap: emitter.onGap.bind(emitter),
  };

  async function startWorkers() {
    const ingest = await startIngest({
      queries,
      locks,
      publisher,
      settings: config.admission,
      archiveDir: config.archiveDir,
      beforePublish: (tripIds) => trips.tellAgain(tripIds),
      metrics,
      log,
    });
    lifecycle.started('ingest', () => ingest.stop());
    control.onWakeRelay(() => ingest.wakeRelay());
    const running = await startLogWorkers({
      ...ingest,
      redis,
      shards,
      queries,
      driverTrips,
      trips: trips.store,
      publisher,
      emitter,
      metrics,
      log,
    });
    lifecycle.started('log workers', () => running.stop());
    return running;
  }
}

/** A role may be all of them. */
const takesPart = ({ role }: Config, part: 'broker' | 'ingest' | 'api') => role === 'all' || role === part;

async function run(config: Config, log: Logger): Promise<void> {
  const lifecycle = new Lifecycle(log);
  const end = stopOnSignals(lifecycle, log);
  try {
    await start(await openBase(config, log, lifecycle, end));
  } catch (error) {
    if (error instanceof KeySetupError) throw error;
    log.fatal({ err: error }, 'could not start');
    // Not just the exit code: what was half started may keep the process alive, and a supervisor waiting
    end(1);
  }
}

/** Configuration, then the ports, then the roles. */
async function start(base: Base): Promise<void> {
  const { config, log, lifecycle, health, metrics, queries, locks, verifier, revocations } = base;
  const { host, redisUrl } = config;
  const ports = redisUrl === undefined ? await openAlone(base) : await openClustered(base, redisUrl);
  const { positionLog, presence, trips } = ports;
  watchLogs(metrics.registry, ports.logs);
  const admission = new Admission({
    ...config.admission,
    log: positionLog,
    deliver: (position, trip, written) => trips.feed.deliver(position, trip, written),
    seen: (driverId, at) => presence.seen(driverId, at),
    metrics,
    logger: log,
  });
  const rooms = {
    ...ports,
    host,
    verifier,
    admission,
    trips: trips.store,
    revocations,
    followStates: trips.followStates,
    locationSnapshot: trips.locationSnapshot,
    metrics,
    log,
  };
  const broker = takesPart(config, 'broker')
    ? await startBroker({ ...rooms, settings: config.mqtt })
    : undefined;
  if (broker !== undefined) {
    lifecycle.started('broker', () => broker.stop(() => positionLog.close(DRAIN_MS)));
    health.add('broker', async () => {
      if (!broker.isListening()) throw new Error('the broker is not listening');
    });
  }
  const signer = await createTokenSigner(config.jwt);
  const api = takesPart(config, 'api')
    ? await startApi(host, config.api.port, {
        ...rooms,
        settings: config.api,
        queries,
        locks,
        signer,
        health,
      })
    : undefined;
  if (api !== undefined) lifecycle.started('api', () => api.stop());
  const metricsServer = await startMetricsServer(host, config.metricsPort, metrics.registry, health);
  lifecycle.started('metrics', () => metricsServer.stop());

  log.info({ role: config.role, mqtt: broker?.ports, api: api?.port, metrics: metricsServer.port }, 'ready');
  if (config.databaseUrl === undefined && broker !== undefined && api !== undefined) {
    const addresses = {
      mqtt: `mqtt://${host}:${broker.ports.mqtt}`,
      ws: `ws://${host}:${broker.ports.ws}/mqtt`,
      rest: `http://${host}:${api.port}`,
      metrics: `http://${host}:${metricsServer.port}`,
    };
    process.stdout.write(welcome(addresses, signer));
  }
}

function configuration(): Config {
  loadEnvFile();
  const config = readConfig(process.env, process.argv.slice(2));
  const problems = [
    ...(config.mqtt.tls === undefined ? [] : tlsFileProblems(config.mqtt.tls)),
    ...(config.archiveDir === undefined || config.role === 'broker'
      ? []
      : archiveDirProblems(config.archiveDir)),
  ];
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

try {
  const config = configuration();
  const log = createLogger(config.logLevel);
  await run(config, log);
} catch (error) {
  if (!(error instanceof ConfigError || error instanceof KeySetupError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
