import { BoundedMap } from '../bounded-map.ts';
import { distanceMeters, type Point } from '../geo.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Eta, EtaEstimator } from './index.ts';
import { OsrmClient, type Route } from './osrm-client.ts';

/*
 * A trip's way is asked for in the background, and the answer serves until the next one: each estimate in between is
 * the last answer, scaled by how the straight line to the target has changed since. The fallback estimates when there
 * is no answer that still holds, and while the engine is known to be down.
 */

export type OsrmTiming = {
  /** Between two questions for one trip. */
  askEveryMs: number;
  timeoutMs: number;
  /** After an outage is noticed, until it is tried again. */
  restMs: number;
};

/**
 * 15 s are 100 to 200 m in a city, over which a straight line scales well. The time limit is far below it, so that a
 * trip has one question under way at most.
 */
const TIMING: OsrmTiming = { askEveryMs: 15_000, timeoutMs: 1_000, restMs: 10_000 };

/** An answer serves for so many intervals. It may be missed when there is no slot free; later it is of another road. */
const ANSWER_SERVES_INTERVALS = 4;

/** No driver goes away so far between two answers; what looks like it is a target close by, where any scale fails. */
const MAX_SCALE = 2;

/** As for the drivers of the straight line: beyond, those not asked about for longest are forgotten. */
const MAX_TRIPS = 50_000;

/** How a trip goes on to one target. With another target it is another leg. */
type Leg = {
  to: Point;
  askedAt: number;
  answer: { route: Route; straightMeters: number; at: number } | undefined;
};

const samePlace = (a: Point, b: Point) => a.latitude === b.latitude && a.longitude === b.longitude;

export function createOsrmEta(options: {
  url: string;
  fallback: EtaEstimator;
  log: Logger;
  timing?: Partial<OsrmTiming>;
}): EtaEstimator {
  const { url, fallback, log } = options;
  const { askEveryMs, timeoutMs, restMs } = { ...TIMING, ...options.timing };
  const client = new OsrmClient({ url, log, timeoutMs, restMs });
  const legs = new BoundedMap<Leg>(MAX_TRIPS);

  function legOf(tripId: string, to: Point): Leg {
    const known = legs.get(tripId);
    if (known !== undefined && samePlace(known.to, to)) return known;
    const leg: Leg = { to, askedAt: Number.NEGATIVE_INFINITY, answer: undefined };
    legs.set(tripId, leg);
    return leg;
  }

  /** Never rejects. An answer for a trip that is over, or has another target by now, goes to a leg nobody has. */
  async function ask(leg: Leg, from: Point, straightMeters: number): Promise<void> {
    leg.askedAt = performance.now();
    try {
      const route = await client.route(from, leg.to);
      leg.answer = route && { route, straightMeters, at: performance.now() };
    } catch (error) {
      log.debug({ err: error }, 'the routing engine gave no answer');
    }
  }

  return {
    circuit: () => client.circuit,
    observe(driverId, position) {
      fallback.observe(driverId, position);
    },
    estimate(request) {
      const { tripId, from, to } = request;
      const leg = legOf(tripId, to);
      const straightMeters = distanceMeters(from, to);
      const now = performance.now();
      if (now - leg.askedAt >= askEveryMs && client.isFree) void ask(leg, from, straightMeters);
      const { answer } = leg;
      const serves = answer !== undefined && now - answer.at < ANSWER_SERVES_INTERVALS * askEveryMs;
      return serves && client.isUp
        ? scaled(answer.route, straightMeters, answer.straightMeters)
        : fallback.estimate(request);
    },
    forget(tripId, driverId) {
      legs.delete(tripId);
      fallback.forget(tripId, driverId);
    },
    stop() {
      client.stop();
      legs.clear();
      fallback.stop();
    },
  };
}

function scaled({ meters, seconds }: Route, straightNow: number, straightThen: number): Eta {
  const scale = Math.min(MAX_SCALE, straightNow / Math.max(1, straightThen));
  return { seconds: Math.round(seconds * scale), meters: Math.round(meters * scale) };
}
