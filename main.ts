import { startApi } from './api/server.ts';
import { startBroker } from './broker/server.ts';
import { startIngest } from './ingest/ingest.ts';
import { Admission } from './shared/admission/index.ts';
import { Revocations, withRevocations } from './shared/auth/revocations.ts';
import { KeySetupError } from './shared/auth/settings.ts';
import { createTokenSigner } from './shared/auth/sign.ts';
import { loadRevocations } from './shared/auth/sql-revocations.ts';
import { createTokenVerifier } from './shared/auth/verify.ts';
import { tlsFileProblems } from './shared/config/tls-files.ts';
import { type Config, ConfigError, readConfig } from './shared/config.ts';
import { createControl } from './shared/connections/control.ts';
import { openEmbeddedDatabase } from './shared/database/embedded.ts';
import { migrate } from './shared/database/migrate.ts';
import { connectPostgres } from './shared/database/postgres.ts';
import { createMemoryEmitter } from './shared/emitter/memory.ts';
import { loadEnvFile } from './shared/env-file.ts';
import { Health } from './shared/health.ts';
import { Lifecycle, stopOnSignals } from './shared/lifecycle.ts';
import { createPublisher } from './shared/messages/publisher.ts';
import { createDirectPositionLog } from './shared/position-log/direct.ts';
import { Presence } from './shared/presence/presence.ts';
import { createMemorySessionStore } from './shared/session-store/memory.ts';
import { createLogger, type Logger } from './shared/telemetry/log.ts';
import { createMetrics, watchLog } from './shared/telemetry/metrics.ts';
import { startMetricsServer } from './shared/telemetry/metrics-server.ts';
import { startTrips } from './shared/trips/trips.ts';
import { welcome } from './shared/welcome.ts';

const DRAIN_MS = 10_000;

/** The composition root: configuration, then the ports, then the roles. Nothing else chooses adapters. */
async function run(config: Config, log: Logger): Promise<void> {
  const lifecycle = new Lifecycle(log);
  const end = stopOnSignals(lifecycle, log);
  const health = new Health();
  const metrics = createMetrics();
  const { host, databaseUrl } = config;
  try {
    const genuine = await createTokenVerifier(config.jwt, (error) =>
      log.error({ err: error }, 'signing keys'),
    );

    if (databaseUrl === undefined)
      log.info(
        { dataDir: config.dataDir },
        'waiting for the embedded database (a first start creates it: about 10 s)',
      );
    const database =
      databaseUrl === undefined
        ? await openEmbeddedDatabase(config.dataDir, (error) => {
            log.fatal({ err: error }, 'the embedded database is lost');
            end(1);
          })
        : connectPostgres(databaseUrl, config.databasePoolSize);
    lifecycle.started('database', () => database.close());
    health.add('database', async () => void (await database.queries.one('select 1')));
    const migrated = await migrate(database.connectionString, log);
    log.info({ database: database.description, migrated }, 'database ready');

    const revocations = new Revocations(await loadRevocations(database.queries));
    lifecycle.started('revocations', () => revocations.stop());
    const verifier = withRevocations(genuine, revocations);

    const emitter = createMemoryEmitter();
    const control = createControl(emitter);
    control.onRevoke((revocation) => revocations.add(revocation));
    const sessionStore = createMemorySessionStore(() => metrics.dropped.inc({ reason: 'queue_full' }));
    const publisher = createPublisher(emitter, sessionStore);

    const ingest = await startIngest({
      queries: database.queries,
      publisher,
      settings: config.admission,
      metrics,
      log,
    });
    lifecycle.started('ingest', () => ingest.stop());
    const presence = new Presence({
      publisher,
      save: ingest.setDriverStatus,
      graceMs: config.offlineGraceMs,
      staleAfterMs: config.api.driverStaleAfterMs,
      log,
    });
    lifecycle.started('presence', () => presence.stop());
    await presence.restore(ingest.storedStatuses);
    const trips = await startTrips({
      queries: database.queries,
      publisher,
      settings: config.trips,
      lastMessageAt: ingest.lastTripMessageAt,
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
      newest: ingest.newestPositions,
      events: ingest.commitEvents,
      tripOf: (driverId, kind, recordedAt) => trips.active.tripIdOf(driverId, kind, recordedAt),
    });
    watchLog(metrics.registry, positionLog);
    const admission = new Admission({
      ...config.admission,
      log: positionLog,
      deliver: (position, written) => trips.feed.deliver(position, written),
      seen: (driverId, at) => presence.seen(driverId, at),
      metrics,
      logger: log,
    });
    const rooms = {
      verifier,
      admission,
      presence,
      trips: trips.store,
      connectionLog: ingest.connectionLog,
      control,
      revocations,
      followStates: trips.followStates,
      locationSnapshot: (driverId: string, tripId: string) => trips.feed.snapshot(driverId, tripId),
      publisher,
      emitter,
      metrics,
      log,
    };

    const broker = await startBroker({
      ...rooms,
      host,
      settings: config.mqtt,
      sessionStore,
    });
    lifecycle.started('broker', () => broker.stop(() => positionLog.close(DRAIN_MS)));
    health.add('broker', async () => {
      if (!broker.isListening()) throw new Error('the broker is not listening');
    });

    const signer = await createTokenSigner(config.jwt);
    const api = await startApi(host, config.api.port, {
      ...rooms,
      settings: config.api,
      queries: database.queries,
      signer,
      health,
    });
    lifecycle.started('api', () => api.stop());
    const metricsServer = await startMetricsServer(host, config.metricsPort, metrics.registry, health);
    lifecycle.started('metrics', () => metricsServer.stop());

    log.info({ mqtt: broker.ports, api: api.port, metrics: metricsServer.port }, 'ready');
    if (databaseUrl === undefined) {
      const addresses = {
        mqtt: `mqtt://${host}:${broker.ports.mqtt}`,
        ws: `ws://${host}:${broker.ports.ws}/mqtt`,
        rest: `http://${host}:${api.port}`,
        metrics: `http://${host}:${metricsServer.port}`,
      };
      process.stdout.write(welcome(addresses, signer));
    }
  } catch (error) {
    if (error instanceof KeySetupError) throw error;
    log.fatal({ err: error }, 'could not start');
    // Not just the exit code: what was half started may keep the process alive, and a supervisor waiting
    end(1);
  }
}

function configuration(): Config {
  loadEnvFile();
  const config = readConfig(process.env, process.argv.slice(2));
  if (config.role !== 'all' || config.redisUrl !== undefined)
    throw new ConfigError(['REDIS_URL and roles other than all are not supported by this version yet']);
  const problems = config.mqtt.tls === undefined ? [] : tlsFileProblems(config.mqtt.tls);
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

try {
  const config = configuration();
  await run(config, createLogger(config.logLevel));
} catch (error) {
  if (!(error instanceof ConfigError || error instanceof KeySetupError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
