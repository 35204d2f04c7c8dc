import type { Ledger } from './ledger/ledger.ts';
import { problemKinds } from './ledger/problems.ts';
import { type TripStatus, tripStatuses } from './messages.ts';
import type { SimulateOptions } from './options.ts';

export type Outcome = {
  ledger: Ledger;
  options: SimulateOptions;
  /** That positions were published. */
  seconds: number;
  /** Positions that REST shows. */
  stored: number;
  /** What ended the run early; undefined: nothing did. */
  failure: string | undefined;
};

const latencies = ({ percentile }: { percentile: (of: number) => number | undefined }) => ({
  p50: percentile(50) ?? null,
  p99: percentile(99) ?? null,
  max: percentile(100) ?? null,
});

/** The account of a run, for `--json`. */
export function accountOf({ ledger, options, seconds, stored, failure }: Outcome) {
  const { statistics, problems, drivers } = ledger;
  const trips = [...ledger.trips.values()];
  const byStatus = (wanted: TripStatus) => trips.filter(({ status }) => status === wanted).length;
  const { toRider, toAcknowledgement } = statistics;
  return {
    clean: failure === undefined && problems.isEmpty,
    failure: failure ?? null,
    options,
    seconds,
    positions: {
      published: statistics.published,
      acknowledged: statistics.acknowledged,
      refused: [...drivers.values()].reduce((sum, { refused }) => sum + refused, 0),
      delivered: statistics.delivered,
      stored,
    },
    trips: {
      requested: trips.length,
      assigned: trips.filter(({ driverId }) => driverId !== undefined).length,
      completed: byStatus('COMPLETED'),
      cancelled: byStatus('CANCELLED'),
      statuses: Object.fromEntries(tripStatuses.map((status) => [status, byStatus(status)])),
    },
    driverToRiderMs: latencies({ percentile: (of) => toRider.percentile(of) }),
    publishToPubackMs: latencies({ percentile: (of) => toAcknowledgement.percentile(of) }),
    reconnects: statistics.reconnects,
    restRequests: statistics.requests,
    errors: Object.fromEntries(statistics.errors),
    problems: Object.fromEntries(
      [...problems].map(({ kind, count, told }) => [kind, { count, first: told }]),
    ),
    lost: problems.count('positionLost') + problems.count('liveMissing') + problems.count('statusMissing'),
  };
}

export type Account = ReturnType<typeof accountOf>;

/** What an error mostly means for a simulation, and the way out. */
const hints: Readonly<Record<string, string>> = {
  RATE_LIMITED:
    'drivers publish more often than the platform takes: LOCATION_MIN_INTERVAL_MS=0 there lets it through, or a longer --interval',
};

const line = (name: string, value: string | number) => `${name.padEnd(22)} ${value}`;

const milliseconds = (value: number | null) => (value === null ? '-' : `${value.toFixed(1)} ms`);

const spread = ({ p50, p99, max }: Account['driverToRiderMs']) =>
  `p50 ${milliseconds(p50)}, p99 ${milliseconds(p99)}, max ${milliseconds(max)}`;

/** The last lines: what was sent, what became of it, how fast, and everything that is wrong. */
export function summaryLines(account: Account, ledger: Ledger): string[] {
  const { options, seconds, positions, trips, errors } = account;
  const rate = seconds === 0 ? '-' : Math.round(positions.acknowledged / seconds);
  const codes = Object.entries(errors).sort(([, a], [, b]) => b - a);
  return [
    line(
      'city',
      `${options.city}, seed ${options.seed}, ${options.timeScale} simulated seconds a second, ${options.drivers} drivers, ${options.riders} riders`,
    ),
    line('seconds', seconds.toFixed(1)),
    line('positions published', positions.published),
    line('acknowledged', `${positions.acknowledged} (${rate}/s)`),
    line('stored', positions.stored),
    line('delivered to riders', positions.delivered),
    line('refused', positions.refused),
    line(
      'trips',
      `${trips.requested} requested, ${trips.assigned} assigned, ${trips.completed} completed, ${trips.cancelled} cancelled at the end`,
    ),
    line('driver to rider', spread(account.driverToRiderMs)),
    line('publish to PUBACK', spread(account.publishToPubackMs)),
    line('reconnects', account.reconnects),
    line('errors', codes.map(([code, count]) => `${code} ${count}`).join(', ') || 0),
    ...codes.flatMap(([code]) => (hints[code] === undefined ? [] : [`${code}: ${hints[code]}`])),
    ...[...ledger.problems].flatMap(({ kind, count, told }) => [
      `${count} ${problemKinds[kind]}:`,
      ...told.map((text) => `  ${text}`),
      ...(count > told.length ? [`  and ${count - told.length} more`] : []),
    ]),
    ...(account.failure === null ? [] : [account.failure]),
    account.clean ? 'nothing lost, doubled, out of order or leaked' : 'not clean',
  ];
}
