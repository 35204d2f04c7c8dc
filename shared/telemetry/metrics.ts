import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { roles } from '../auth/identity.ts';
import { type ErrorCode, errorCatalogue } from '../errors.ts';
import { HistogramBy, plainHistogram, Tally } from './hot-metrics.ts';

/** Of a position, by clocks that show whole milliseconds: from one to the ten seconds of an outage. */
const POSITION_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Positions may wait for the database as long as it is away. */
const STORE_SECONDS = [...POSITION_SECONDS, 30, 60, 300, 1800];
/** Of one question to a store: from a round trip within one machine to the longest that is waited for. */
const CALL_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30];
const REQUEST_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const BATCH_SIZES = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000];

export const TRANSPORTS = ['TCP', 'WEBSOCKET'] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** Of a CONNECT. */
const LOGIN_RESULTS = [
  'accepted',
  'bad_token',
  'bad_client_id',
  'connection_limit',
  'flapping',
  'unavailable',
  'gone',
] as const;
export type LoginResult = (typeof LOGIN_RESULTS)[number];

/**
 * Why a connection ends before its CONNECT. held_off: its address is. crowded: there are too many like it. connect_timeout: it took too
 * long. no_connect: it was closed, or sent something else.
 */
const TURNED_AWAY = ['held_off', 'crowded', 'connect_timeout', 'no_connect'] as const;
export type TurnedAway = (typeof TURNED_AWAY)[number];

/**
 * Why a message does not reach a subscriber. slow_reader, frozen_reader: it does not read what it is sent. queue_full: of a session that is
 * away. emitter: of another broker that can not be reached.
 */
const DROP_REASONS = ['slow_reader', 'frozen_reader', 'queue_full', 'emitter'] as const;

/** What was set aside for good: a position that the database refuses, something in the log that is none, a transition. */
const DEAD_LETTER_KINDS = ['position', 'entry', 'transition'] as const;

/** Gauges of prom-client with a counter's name; what they say is in others, by type. */
const MISNAMED = ['handles', 'requests', 'resources'].map((what) => `fleetcast_nodejs_active_${what}_total`);

const ERROR_CODES = Object.keys(errorCatalogue) as ErrorCode[];
const VERDICTS = ['accepted', 'duplicate', ...ERROR_CODES] as const;

export type Metrics = ReturnType<typeof createMetrics>;

/** All of this process's metrics. Seconds and counts, by Prometheus' naming rules. */
export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: 'fleetcast_' });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  return {
    registry,
    positions: new Tally(
      registry,
      {
        name: 'fleetcast_positions_total',
        help: 'Positions by verdict: accepted, duplicate, or the code of the error',
      },
      'verdict',
      VERDICTS,
    ),
    unkept: new Counter({
      name: 'fleetcast_positions_unkept_total',
      help: 'Positions that could not be kept and were not acknowledged: whoever sent them sends them again',
      registers,
    }),
    connections: connectionsGauge(registry),
    logins: new Tally(
      registry,
      { name: 'fleetcast_logins_total', help: 'MQTT logins by result' },
      'result',
      LOGIN_RESULTS,
    ),
    turnedAway: new Tally(
      registry,
      {
        name: 'fleetcast_connections_turned_away_total',
        help: 'MQTT connections that ended before their CONNECT, by reason',
      },
      'reason',
      TURNED_AWAY,
    ),
    refusals: new Tally(
      registry,
      {
        name: 'fleetcast_refusals_total',
        help: 'Refused messages that are not positions, by error code',
      },
      'code',
      ERROR_CODES,
    ),
    dropped: new Tally(
      registry,
      { name: 'fleetcast_messages_dropped_total', help: 'Messages not sent to a subscriber, by reason' },
      'reason',
      DROP_REASONS,
    ),
    gaps: new Counter({
      name: 'fleetcast_emitter_gaps_total',
      help: 'Times that messages of other processes may have been lost on their way to this one, and were made up for',
      registers,
    }),
    admission: plainHistogram(
      registry,
      {
        name: 'fleetcast_admission_seconds',
        help: 'From the socket to the acknowledgement of a message with positions (MQTT)',
      },
      POSITION_SECONDS,
    ),
    delivery: plainHistogram(
      registry,
      {
        name: 'fleetcast_delivery_seconds',
        help: 'From the receipt of a position to its being written to the subscribers of this process and handed over to the other ones',
      },
      POSITION_SECONDS,
    ),
    remoteDelivery: plainHistogram(
      registry,
      {
        name: 'fleetcast_remote_delivery_seconds',
        help: 'From the receipt of a position by another process to its being written to the subscribers of this one: the first of each lot that comes at once, by the clocks of both',
      },
      POSITION_SECONDS,
    ),
    store: plainHistogram(
      registry,
      { name: 'fleetcast_store_seconds', help: 'From the receipt of a position to its commit' },
      STORE_SECONDS,
    ),
    appendBatch: plainHistogram(
      registry,
      {
        name: 'fleetcast_append_batch_positions',
        help: 'Positions in one append to the log: what arrived in one turn of the event loop',
      },
      BATCH_SIZES,
    ),
    batch: plainHistogram(
      registry,
      { name: 'fleetcast_store_batch_positions', help: 'Positions in one transaction' },
      BATCH_SIZES,
    ),
    deadLetters: new Tally(
      registry,
      {
        name: 'fleetcast_dead_letters_total',
        help: 'What could not be stored, also not later, and was set aside: position (the database refuses it), entry (of the log), transition',
      },
      'kind',
      DEAD_LETTER_KINDS,
    ),
    queries: new HistogramBy(
      registry,
      {
        name: 'fleetcast_database_query_seconds',
        help: 'Statements, from being sent to the answer, by the name of the prepared statement or the first word',
      },
      'operation',
      CALL_SECONDS,
    ),
    queryFailures: new Counter({
      name: 'fleetcast_database_query_failures_total',
      help: 'Statements that failed, or were not answered',
      registers,
    }),
    redisCommands: new HistogramBy(
      registry,
      {
        name: 'fleetcast_redis_command_seconds',
        help: 'Commands that Redis has answered, by the purpose of their connection; those that wait for news are left out',
      },
      'connection',
      CALL_SECONDS,
    ),
    redisFailures: new Counter({
      name: 'fleetcast_redis_command_failures_total',
      help: 'Commands that failed, or were not answered',
      registers,
    }),
    requests: new Counter<'method' | 'route' | 'status'>({
      name: 'fleetcast_api_requests_total',
      help: 'REST requests by route and status; status aborted: the client hung up before the answer',
      labelNames: ['method', 'route', 'status'],
      registers,
    }),
    requestSeconds: new Histogram<'method' | 'route' | 'status'>({
      name: 'fleetcast_api_request_seconds',
      help: 'REST requests from their headers to the end of the answer, by route and class of status; event streams are left out',
      labelNames: ['method', 'route', 'status'],
      buckets: REQUEST_SECONDS,
      registers,
    }),
    partitions: new Gauge({
      name: 'fleetcast_partitions',
      help: 'Days that the history of positions holds, as of the last look (role ingest or all)',
      registers,
    }),
    retentionDropped: new Counter({
      name: 'fleetcast_retention_dropped_total',
      help: 'Days past HISTORY_RETENTION_DAYS that were dropped, after they were archived if there is an ARCHIVE_DIR',
      registers,
    }),
    retentionFailures: new Counter({
      name: 'fleetcast_retention_failures_total',
      help: 'Days that could not be archived or dropped, and stay',
      registers,
    }),
    storeRetries: new Counter({
      name: 'fleetcast_store_retries_total',
      help: 'Transactions that failed and were tried again',
      registers,
    }),
  };
}

/** Those that nobody has opened yet are there too: 0 is not the same as unknown. */
function connectionsGauge(registry: Registry): Gauge<'transport' | 'role'> {
  const gauge = new Gauge<'transport' | 'role'>({
    name: 'fleetcast_connections',
    help: 'Open MQTT connections',
    labelNames: ['transport', 'role'],
    registers: [registry],
  });
  for (const transport of TRANSPORTS) for (const role of roles) gauge.set({ transport, role }, 0);
  return gauge;
}
