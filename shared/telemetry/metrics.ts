import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { PositionLog } from '../position-log/index.ts';

/** From a tenth of a millisecond (an append in memory) to the ten seconds of an outage. */
const LATENCY_BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];
const BATCH_BUCKETS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000];

export type Transport = 'TCP' | 'WEBSOCKET';

export type Metrics = ReturnType<typeof createMetrics>;

/** All of this process's metrics. Seconds and counts, by Prometheus' naming rules. */
export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: 'fleetcast_' });
  return {
    registry,
    positions: new Counter<'verdict'>({
      name: 'fleetcast_positions_total',
      help: 'Positions by verdict: accepted, duplicate, or the code of the error',
      labelNames: ['verdict'],
      registers,
    }),
    connections: new Gauge<'transport' | 'role'>({
      name: 'fleetcast_connections',
      help: 'Open MQTT connections',
      labelNames: ['transport', 'role'],
      registers,
    }),
    logins: new Counter<'result'>({
      name: 'fleetcast_logins_total',
      help: 'MQTT logins by result',
      labelNames: ['result'],
      registers,
    }),
    turnedAway: new Counter<'reason'>({
      name: 'fleetcast_connections_turned_away_total',
      help: 'MQTT connections that ended before their CONNECT, by reason: held_off, crowded, connect_timeout, no_connect',
      labelNames: ['reason'],
      registers,
    }),
    refusals: new Counter<'code'>({
      name: 'fleetcast_refusals_total',
      help: 'Refused messages that are not positions, by error code',
      labelNames: ['code'],
      registers,
    }),
    dropped: new Counter<'reason'>({
      name: 'fleetcast_messages_dropped_total',
      help: 'Messages not sent to a subscriber, by reason',
      labelNames: ['reason'],
      registers,
    }),
    admission: new Histogram({
      name: 'fleetcast_admission_seconds',
      help: 'From the socket to the acknowledgement of a position',
      buckets: LATENCY_BUCKETS,
      registers,
    }),
    delivery: new Histogram({
      name: 'fleetcast_delivery_seconds',
      help: 'From the receipt of a position to its being written to the subscribers',
      buckets: LATENCY_BUCKETS,
      registers,
    }),
    store: new Histogram({
      name: 'fleetcast_store_seconds',
      help: 'From the receipt of a position to its commit',
      buckets: LATENCY_BUCKETS,
      registers,
    }),
    batch: new Histogram({
      name: 'fleetcast_store_batch_positions',
      help: 'Positions in one transaction',
      buckets: BATCH_BUCKETS,
      registers,
    }),
    partitions: new Gauge({
      name: 'fleetcast_partitions',
      help: 'Days that the history of positions holds, as of the last look (role ingest or all)',
      registers,
    }),
    retentionDropped: new Counter({
      name: 'fleetcast_retention_days_dropped_total',
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

/** Shows what the logs of this process hold, all together, at the time of a scrape. */
export function watchLogs(registry: Registry, logs: readonly Pick<PositionLog, 'pending' | 'lagMs'>[]): void {
  new Gauge({
    name: 'fleetcast_log_entries',
    help: 'Positions admitted and not yet committed',
    registers: [registry],
    collect() {
      this.set(logs.reduce((sum, log) => sum + log.pending(), 0));
    },
  });
  new Gauge({
    name: 'fleetcast_log_lag_seconds',
    help: 'Age of the oldest position that is not yet committed',
    registers: [registry],
    collect() {
      this.set(Math.max(0, ...logs.map((log) => log.lagMs(Date.now()))) / 1000);
    },
  });
}
