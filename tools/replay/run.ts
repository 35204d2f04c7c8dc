import { setTimeout as delay } from 'node:timers/promises';
import { topicFor } from '../../shared/topics.ts';
import type { SenderEvents } from '../shared/sender.ts';
import { positionMessage } from './position-message.ts';
import { rejectionCode } from './rejections.ts';
import { releaseOnTime } from './release.ts';
import { dueAfterMs, shiftMs, type Timeline } from './schedule.ts';
import { type PoolSeat, SenderPool } from './sender-pool.ts';
import type { Tally } from './tally.ts';
import type { TrackPoint } from './track-point.ts';

export type Plan = {
  url: string;
  /** In the order of time. */
  points: readonly TrackPoint[];
  timeline: Timeline;
  shiftToNow: boolean;
  /** Driver id of each track. */
  drivers: ReadonlyMap<string, string>;
  seats: readonly PoolSeat[];
  inFlight: number;
};

/** A rejection may come after its PUBACK: so long is waited after the last one. */
const SETTLE_MS = 500;
const SETTLE_WITHIN_MS = 5_000;

async function settle(tally: Tally): Promise<void> {
  const deadline = performance.now() + SETTLE_WITHIN_MS;
  let seen: number;
  do {
    seen = tally.rejectedCount;
    await delay(SETTLE_MS);
  } while (tally.rejectedCount > seen && performance.now() < deadline);
}

/** Resolves at the first of: everything acknowledged, interrupted. Rejects when nothing more can be sent. */
class End {
  readonly reached: Promise<void>;
  #resolve: () => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  constructor(interrupted: AbortSignal) {
    this.reached = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // It may come while the connections are still being opened, when nobody waits for it yet.
    this.reached.catch(() => undefined);
    if (interrupted.aborted) this.#resolve();
    interrupted.addEventListener('abort', () => this.#resolve(), { once: true });
  }

  allAcknowledged(): void {
    this.#resolve();
  }

  failed(error: Error): void {
    this.#reject(error);
  }
}

function countingEvents(
  tally: Tally,
  drivers: Plan['drivers'],
  end: End,
  note: (text: string) => void,
): SenderEvents<TrackPoint> {
  const ownTopics = new Set([...drivers.values()].map((driverId) => topicFor('driverLocation', driverId)));
  return {
    sent: () => {
      tally.sent++;
    },
    acknowledged: (_point, sentAt, now) => {
      tally.acknowledge(sentAt, now);
      if (tally.acknowledged === tally.total) end.allAcknowledged();
    },
    message: (_topic, payload) => {
      const code = rejectionCode(payload.toString(), ownTopics);
      if (code !== undefined) tally.reject(code);
    },
    refused: (filter) => note(`the broker refuses ${filter}: rejected positions can't be counted`),
    reconnected: () => {
      tally.reconnects++;
    },
    failed: (error) => end.failed(error),
    note,
  };
}

/**
 * Opens the connections, sends every position at its time and waits until all are acknowledged; the tally grows
 * meanwhile. Ends early, with what is on its way acknowledged, when interrupted.
 * @throws the error of a connection that can't be opened, or whose token is not taken any more
 */
export async function run(
  plan: Plan,
  tally: Tally,
  note: (text: string) => void,
  interrupted: AbortSignal,
): Promise<void> {
  const { url, inFlight, points, timeline, drivers } = plan;
  const end = new End(interrupted);
  let shift = 0;
  const encode = (point: TrackPoint) =>
    positionMessage(point, drivers.get(point.track) ?? point.track, shift);
  const events = countingEvents(tally, drivers, end, note);
  const pool = new SenderPool<TrackPoint>(plan.seats, { url, inFlight, encode }, events);
  let stopRelease = (): void => undefined;
  try {
    await Promise.race([pool.open(), end.reached]);
    if (interrupted.aborted) return;
    tally.start(performance.now());
    if (plan.shiftToNow) shift = shiftMs(timeline, Date.now());
    stopRelease = releaseOnTime(
      points,
      (point) => dueAfterMs(timeline, point.timeMs),
      (point) => pool.offer(point),
    );
    await end.reached;
  } finally {
    stopRelease();
    await pool.drain();
    if (tally.sent > 0) await settle(tally);
    await pool.close();
  }
}
