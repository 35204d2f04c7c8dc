import { startApi } from './api/server.ts';
import { createPlatformPolicy } from './broker/platform-policy.ts';
import { startBroker } from './broker/server.ts';
import { startIngest } from './ingest/ingest.ts';
import { startLogWorkers } from './ingest/log/workers.ts';
import packageJson from './package.json' with { type: 'json' };
import { Admission } from './shared/admission/index.ts';
import { Revocations, withRevocations } from './shared/auth/revocations.ts';
import { KeySetupError } from './shared/auth/settings.ts';
import { createTokenSigner } from './shared/auth/sign.ts';
import { loadRevocations } from './shared/auth/sql-revocations.ts';
import { createTokenVerifier } from './shared/auth/verify.ts';
import { archiveDirProblems } from './shared/config/archive-dir.ts';
import { settingsInUse } from './shared/config/in-use.ts';
import { tlsFileProblems } from './shared/config/tls-files.ts';
import { type Config, ConfigError, readConfig } from './shared/config.ts';
import { openEmbeddedDatabase } from './shared/database/embedded.ts';
import type { Database } from './shared/database/index.ts';
import { measureQueries } from './shared/database/measure-queries.ts';
import { migrate } from './shared/database/migrate.ts';
import { connectPostgres } from './shared/database/postgres.ts';
import { loadEnvFile } from './shared/env-file.ts';
import { Health } from './shared/health.ts';
import { Lifecycle, stopOnSignals } from './shared/lifecycle.ts';
import { type Messages, openAlone } from './shared/ports/alone.ts';
import type { Base } from './shared/ports/base.ts';
import { openClustered } from './shared/ports/clustered.ts';
import { Circuits } from './shared/telemetry/circuits.ts';
import type { Levels } from './shared/telemetry/levels.ts';
import { createLog, type Logger } from './shared/telemetry/log.ts';
import { LogLevelDoor } from './shared/telemetry/log-level.ts';
import { createMetrics } from './shared/telemetry/metrics.ts';
import { startMetricsServer } from './shared/telemetry/metrics-server.ts';
import { openTraces } from './shared/telemetry/traces/open.ts';
import { traceExporters } from './shared/telemetry/traces/settings.ts';
import { showBuild, watch, watchLogs } from './shared/telemetry/watch.ts';
import { welcome } from './shared/welcome.ts';

const { version } = packageJson;

const DRAIN_MS = 10_000;

const about = ({ role }: Config) => ({ role, version, node: process.version, pid: process.pid });

/** A role may be all of them. */
const takesPart = ({ role }: Config, part: 'broker' | 'ingest' | 'api') => role === 'all' || role === part;

async function openDatabase(config: Config, log: Logger, end: (status: number) => void): Promise<Database> {
  if (config.databaseUrl !== undefined)
    return connectPostgres(config.databaseUrl, config.databasePoolSize, log);
  log.info(
    { dataDir: config.dataDir },
    'waiting for the embedded database (a first start creates it: about 10 s)',
  );
  return openEmbeddedDatabase(config.dataDir, (error) => {
    log.fatal({ err: error }, 'the embedded database is lost');
    end(1);
  });
}

async function openBase(
  config: Config,
  log: Logger,
  lifecycle: Lifecycle,
  end: (status: number) => void,
): Promise<Base> {
  const health = new Health();
  const { exporters } = traceExporters(process.env);
  const traces = await openTraces(
    exporters,
    { 'service.version': version, 'fleetcast.role': config.role },
    log,
  );
  if (traces !== undefined) lifecycle.started('traces', () => traces.stop());
  // First: a bad key needs no database to be told of
  const genuine = await createTokenVerifier(config.jwt, (error) => log.error({ err: error }, 'signing keys'));
  const database = await openDatabase(config, log, end);
  lifecycle.started('database', () => database.close());
  health.add('database', async () => void (await database.queries.one('select 1')));
  const metrics = createMetrics();
  measureQueries(database.queries, metrics);
  showBuild(metrics.registry, packageJson.version, config);
  const circuits = new Circuits(metrics.registry);
  if (database.circuit !== undefined) circuits.add('database', database.circuit);
  const migrated = await migrate(database.connectionString, log);
  log.info({ database: database.description, migrated }, 'database ready');
  const revocations = new Revocations(await loadRevocations(database.queries));
  lifecycle.started('revocations', () => revocations.stop());
  return {
    config,
    log,
    lifecycle,
    health,
    metrics,
    circuits,
    queries: database.queries,
    locks: database.locks,
    revocations,
    verifier: withRevocations(genuine, revocations),
    traces,
  };
}

/** This process alone, or one of many: nothing else chooses what stands behind the ports. */
async function openPorts(base: Base) {
  const { config, lifecycle, queries, locks, metrics, traces, log } = base;
  const writer = (messages: Messages, beforePublish?: (tripIds: readonly string[]) => Promise<void>) =>
    startIngest({
      ...messages,
      queries,
      locks,
      settings: config.admission,
      archiveDir: config.archiveDir,
      ...(beforePublish === undefined ? {} : { beforePublish }),
      metrics,
      traces,
      log,
    });
  if (config.redisUrl === undefined) {
    const ports = await openAlone(base, writer);
    return { ports, logs: [ports.positionLog] };
  }
  const ports = await openClustered(base, config.redisUrl);
  if (!takesPart(config, 'ingest')) return { ports, logs: [ports.positionLog] };
  const ingest = await writer(ports, (tripIds) => ports.trips.tellAgain(tripIds));
  lifecycle.started('ingest', () => ingest.stop());
  ports.control.onWakeRelay(() => ingest.wakeRelay());
  const workers = await startLogWorkers({ ...base, ...ports, ...ingest, trips: ports.trips.store });
  lifecycle.started('log workers', () => workers.stop());
  return { ports, logs: [ports.positionLog, workers] };
}

/** Configuration, then the ports, then the roles. */
async function start(base: Base, levels: Levels): Promise<void> {
  const { config, log, lifecycle, health, metrics, queries, locks, revocations, verifier, traces } = base;
  const { host } = config;
  const { ports, logs } = await openPorts(base);
  watch(
    metrics.registry,
    'fleetcast_revocations',
    'Revocations that hold; 100,000 at the most',
    () => revocations.size,
  );
  watchLogs(metrics.registry, logs, config.admission.maxQueuedPositions);
  const { positionLog, presence, trips } = ports;
  const admission = new Admission({
    ...config.admission,
    log: positionLog,
    deliver: (position, trip, written) => trips.feed.deliver(position, trip, written),
    seen: (driverId, at) => presence.seen(driverId, at),
    metrics,
    traces,
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
    traces,
    log,
  };

  const broker = takesPart(config, 'broker')
    ? await startBroker({
        ...rooms,
        settings: config.mqtt,
        policy: createPlatformPolicy({ ...rooms, settings: config.mqtt }),
      })
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
  const logLevel = new LogLevelDoor(levels, log);
  const metricsServer = await startMetricsServer(config.metrics, metrics.registry, health, logLevel, log);
  lifecycle.started('metrics', () => metricsServer.stop());

  log.info({ role: config.role, mqtt: broker?.ports, api: api?.port, metrics: metricsServer.port }, 'ready');
  if (config.databaseUrl === undefined && broker !== undefined && api !== undefined) {
    const addresses = {
      mqtt: `mqtt://${host}:${broker.ports.mqtt}`,
      ws: `ws://${host}:${broker.ports.ws}/mqtt`,
      rest: `http://${host}:${api.port}`,
      metrics: `http://${config.metrics.host}:${metricsServer.port}`,
    };
    process.stdout.write(welcome(addresses, signer));
  }
}

async function run(config: Config, log: Logger, levels: Levels): Promise<void> {
  log.info({ ...about(config), settings: settingsInUse(process.env) }, 'starting');
  const lifecycle = new Lifecycle(log);
  const end = stopOnSignals(lifecycle, log);
  try {
    await start(await openBase(config, log, lifecycle, end), levels);
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
  const problems = [
    ...traceExporters(process.env).problems,
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
  const { log, levels } = createLog(config.logLevel);
  await run(config, log, levels);
} catch (error) {
  if (!(error instanceof ConfigError || error instanceof KeySetupError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
