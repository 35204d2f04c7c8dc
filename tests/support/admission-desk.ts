import { Admission, type BacklogResult, type LiveResult } from '../../shared/admission/index.ts';
import type { Decision, LoggedPosition, Outcome, Submission } from '../../shared/position-log/index.ts';
import { createLogger } from '../../shared/telemetry/log.ts';
import { createMetrics } from '../../shared/telemetry/metrics.ts';

export const NOW = Date.parse('2026-11-23T12:00:00Z');
export const DAY_MS = 86_400_000;

/** One append, as the log saw it; it settles when the test says so. */
export type Append = {
  submissions: readonly Submission[];
  keep(outcomes?: readonly Outcome[]): void;
  lose(): void;
};

/** A result, once there is one. */
export type Sent<Result> = { result: Result | 'waiting' };

/** An admission whose log, followers and clock are in a test's hands. */
export type AdmissionDesk = {
  appends: Append[];
  /** In the order in which things happen. */
  events: string[];
  /** What the log decides, and what is done with what is to be delivered. */
  decide: (submission: Submission) => Decision;
  deliver: (position: LoggedPosition) => void;
  live(driverId: string, payload: unknown): Sent<LiveResult>;
  backlog(driverId: string, payload: unknown): Sent<BacklogResult>;
  /** `fleetcast_positions_total` by verdict. */
  verdicts(): Promise<Record<string, number>>;
  /** `fleetcast_positions_unkept_total`. */
  unkept(): Promise<number | undefined>;
};

export function openAdmissionDesk(): AdmissionDesk {
  const metrics = createMetrics();
  const admission = new Admission({
    historyRetentionDays: 7,
    logger: createLogger('silent'),
    metrics,
    seen: (driverId) => desk.events.push(`seen ${driverId}`),
    deliver(position, _trip, written) {
      desk.deliver(position);
      written();
    },
    log: {
      append(submissions) {
        const decisions = submissions.map((submission) => desk.decide(submission));
        const admitted = decisions.flatMap((decision) => (decision.admitted ? decision.positions : []));
        const kept = new Promise<readonly Outcome[]>((resolve, reject) => {
          desk.appends.push({
            submissions,
            keep: (outcomes = admitted.map(() => 'accepted')) => resolve(outcomes),
            lose: () => reject(new Error('closed')),
          });
        });
        return Promise.resolve({ decisions, kept });
      },
      pending: () => 0,
      lagMs: () => 0,
      close: () => Promise.resolve(),
    },
  });

  const answered = <Result>(driverId: string, send: (done: (result: Result) => void) => void) => {
    const sent: Sent<Result> = { result: 'waiting' };
    send((result) => {
      sent.result = result;
      desk.events.push(`answered ${driverId}`);
    });
    return sent;
  };
  const desk: AdmissionDesk = {
    appends: [],
    events: [],
    decide: admit,
    deliver: ({ driverId }) => desk.events.push(`delivered ${driverId}`),
    live: (driverId, payload) =>
      answered<LiveResult>(driverId, (done) => admission.live(driverId, payload, NOW, done)),
    backlog: (driverId, payload) =>
      answered<BacklogResult>(driverId, (done) => admission.backlog(driverId, payload, NOW, done)),
    unkept: async () => (await metrics.unkept.get()).values[0]?.value,
    async verdicts() {
      const { values } = (await metrics.registry.getSingleMetric('fleetcast_positions_total')?.get()) ?? {
        values: [],
      };
      const counted = values.filter(({ value }) => value > 0);
      return Object.fromEntries(counted.map(({ labels, value }) => [labels.verdict, value]));
    },
  };
  return desk;
}

export function admit({ driverId, positions, receivedAt }: Submission): Decision {
  const logged = positions.map((position) => ({
    ...position,
    driverId,
    receivedAt,
    tripId: null,
    timeAssigned: position.recordedAt === null,
    recordedAt: position.recordedAt ?? receivedAt,
  }));
  return { admitted: true, positions: logged, newest: logged.at(-1) ?? null, trip: undefined };
}

export const limited = (): Decision => ({
  admitted: false,
  code: 'RATE_LIMITED',
  message: 'slower',
  retryAfterMs: 9,
});

/** A position recorded so many ms from now. */
export const at = (offset: number, fields = {}) => ({
  latitude: 48,
  longitude: 16,
  recordedAt: NOW + offset,
  ...fields,
});

/** The end of this turn of the event loop, and what follows from it. */
export const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
